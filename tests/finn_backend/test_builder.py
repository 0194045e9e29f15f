"""Networks through FINN's builder: rtlsim of nodes and of the stitched design equals PyTorch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas.nn import QuantLinear
from finn.core.onnx_exec import execute_onnx
from finn.transformation.fpgadataflow.prepare_rtlsim import PrepareRTLSim
from finn.transformation.fpgadataflow.set_exec_mode import SetExecMode
from torch import nn

from bnnedge.finn_backend import rtlsim, use_verilator
from bnnedge.lowering import LoweringConfig, lower_model
from tests.brevitas_cnv import brevitas_cnv
from tests.finn_backend.networks import (
    Built,
    branches,
    build,
    build_lowered,
    conv_net,
    fork_net,
    joined_maps,
    mlp,
)

SLOW = pytest.mark.slow
MLP_NODES = {"XnorMVAU_rtl", "StreamingFIFO_rtl", "StreamingDataWidthConverter_rtl"}
CONV_NODES = MLP_NODES | {"ConvolutionInputGenerator_rtl", "Pool_rtl", "BipolarFMPadding_rtl"}
FORK_NODES = {"DuplicateStreams_rtl", "IntegerAdd_rtl", "StreamingConcat_rtl", "Thresholding_rtl"}


def check(
    built: Built,
    network: nn.Module,
    x: torch.Tensor,
    *,
    cache: Path,
    node_images: int = 3,
) -> None:
    """The last layer's integers against PyTorch's, with stalls and without.

    The first `node_images` images run node by node, too.
    """
    dense = [module for module in network.modules() if isinstance(module, QuantLinear)][-1]
    sums: list[torch.Tensor] = []
    dense.register_forward_hook(lambda module, inputs, output: sums.append(output))
    with torch.no_grad():
        network(x)
    wanted = torch.as_tensor(sums[0]).numpy()
    assert len(np.unique(wanted)) > 3
    inputs = built.hardware_inputs(x.numpy())
    for stall in (0.0, 0.6):
        use_verilator(stall_in=stall, stall_out=stall, seed=7, cache=cache)
        assert np.array_equal(rtlsim(built.design, inputs).reshape(wanted.shape), wanted)
    if not node_images:
        return
    nodes = built.nodes.transform(PrepareRTLSim()).transform(SetExecMode("rtlsim"))
    name, out = nodes.graph.input[0].name, nodes.graph.output[0].name
    for image, logits in zip(inputs[:node_images], wanted, strict=False):
        assert np.array_equal(execute_onnx(nodes, {name: image[None]})[out].reshape(-1), logits)


NETWORKS = {
    "mlp": (lambda: mlp((24, 16, 12, 6)), (24,), MLP_NODES),
    "conv": (conv_net, (2, 6, 6), CONV_NODES),
    "fork": (fork_net, (12,), FORK_NODES),
}


@pytest.mark.parametrize(
    ("name", "by_node"),
    [
        ("conv", False),
        ("fork", False),
        pytest.param("mlp", True, marks=SLOW),
        pytest.param("conv", True, marks=SLOW),
        pytest.param("fork", True, marks=SLOW),
    ],
)
def test_small_networks(cache: Path, tmp_path: Path, name: str, by_node: bool) -> None:
    make, shape, nodes = NETWORKS[name]
    network = make()
    built = build(network, shape, tmp_path)
    assert nodes <= {node.op_type for node in built.design.graph.node}
    x = torch.randn(12, *shape, generator=torch.Generator().manual_seed(2))
    check(built, network, x, cache=cache, node_images=3 if by_node else 0)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        pytest.param(joined_maps, (2, 6, 6), id="maps", marks=SLOW),
        pytest.param(lambda: mlp((24, 16, 12, 6)), (24,), id="mlp"),
        pytest.param(conv_net, (2, 6, 6), id="conv", marks=SLOW),
        pytest.param(branches, (12,), id="vectors", marks=SLOW),
    ],
)
def test_what_is_lowered_is_built(
    cache: Path, tmp_path: Path, make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    """From hardware conversion on; against the Dataflow's accumulators."""
    path = tmp_path / "network.onnx"
    export_qonnx(make().eval(), torch.zeros(1, *shape), str(path))
    lowered = lower_model(path, LoweringConfig(check_images=16))
    built = build_lowered(lowered.graph, tmp_path)
    x = np.random.default_rng(5).standard_normal((12, *shape)).astype(np.float32)
    wanted = lowered.dataflow.trace(x)[lowered.dataflow.mvus[-1].name].reshape(len(x), -1)
    inputs = built.hardware_inputs(x)
    for stall in (0.0, 0.6):
        use_verilator(stall_in=stall, stall_out=stall, seed=7, cache=cache)
        assert np.array_equal(rtlsim(built.design, inputs).reshape(wanted.shape), wanted)


@SLOW
def test_tfc(cache: Path, tmp_path: Path) -> None:
    """Brevitas's TFC, 784-64-64-64-10, in 20 images."""
    network = mlp((784, 64, 64, 64, 10))
    built = build(network, (784,), tmp_path)
    x = torch.randn(20, 784, generator=torch.Generator().manual_seed(3))
    check(built, network, x, cache=cache)


@SLOW
def test_cnv(cache: Path, tmp_path: Path) -> None:
    """Brevitas's CNV, 8-bit pixels and all; the accumulators of its last layer."""
    network = brevitas_cnv(hostile=False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            # FINN's streamlining divides by scales.
            module.weight.data[module.weight.data.abs() < 0.01] = -0.5
    built = build(network, (3, 32, 32), tmp_path, target_fps=1000)
    x = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    check(built, network, x, cache=cache, node_images=2)
