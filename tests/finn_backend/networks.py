"""Brevitas networks with one bit per weight and activation, on their way through FINN's builder."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brevitas.export import export_qonnx
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear
from brevitas_examples.bnn_pynq.models.common import CommonActQuant, CommonWeightQuant
from finn.builder.build_dataflow_config import AutoFIFOSizingMethod, DataflowBuildConfig
from finn.core.onnx_exec import execute_onnx
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from torch import Tensor, nn

from bnnedge.finn_backend import use_verilator
from bnnedge.finn_backend.steps import (
    step_convert_bits_to_hw,
    step_fold_kernels,
    step_set_join_fifo_depths,
    step_specialize_kernels,
    step_stitch_verilog,
    step_streamline_bits,
)
from tests.finn_backend.designs import CLOCK_NS, PART


class Sign(QuantIdentity):
    """±1."""

    def __init__(self) -> None:
        super().__init__(act_quant=CommonActQuant, bit_width=1)


class Linear(QuantLinear):
    """±1 weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            inputs, outputs, bias=False, weight_quant=CommonWeightQuant, weight_bit_width=1
        )


class Conv(QuantConv2d):
    """±1 weights."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(
            inputs, outputs, kernel, bias=False, weight_quant=CommonWeightQuant, weight_bit_width=1
        )


class Fork(nn.Module):
    """A vector that two layers and a sum read; both results side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.left = nn.Sequential(Linear(width, width), nn.BatchNorm1d(width), Sign())
        self.right = nn.Sequential(Linear(width, width), nn.BatchNorm1d(width), Sign())
        self.sum = nn.Sequential(nn.BatchNorm1d(width), Sign())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) → (N, 2C)."""
        return torch.cat([self.left(x), self.sum(self.right(x) + x)], dim=1)


def mlp(widths: tuple[int, ...]) -> nn.Sequential:
    """Layers of the given widths."""
    layers: list[nn.Module] = [Sign()]
    for inputs, outputs in itertools.pairwise(widths[:-1]):
        layers += [Linear(inputs, outputs), nn.BatchNorm1d(outputs), Sign()]
    return _random(nn.Sequential(*layers, Linear(*widths[-2:])))


def conv_net() -> nn.Sequential:
    """3×3 convolutions around a 2×2 max-pool, and a dense layer; for (2, 6, 6)."""
    return _random(
        nn.Sequential(
            Sign(),
            nn.ConstantPad2d(1, -1.0),
            Conv(2, 4, 3),
            nn.BatchNorm2d(4),
            Sign(),
            nn.MaxPool2d(2),
            nn.ConstantPad2d((1, 0, 2, 1), -1.0),
            Conv(4, 6, 3),
            nn.BatchNorm2d(6),
            Sign(),
            nn.Flatten(),
            Linear(48, 5),
        )
    )


def fork_net() -> nn.Sequential:
    """A fork, a sum and a concatenation; for (12,)."""
    return _random(nn.Sequential(Sign(), Fork(12), Linear(24, 5)))


def branches() -> nn.Sequential:
    """A fork, a sum and a concatenation behind a layer; for (12,)."""
    front = [Sign(), Linear(12, 12), nn.BatchNorm1d(12), Sign()]
    return _random(nn.Sequential(*front, Fork(12), Linear(24, 5)))


class ForkedMaps(nn.Module):
    """A feature map that two convolutions read; both results side by side."""

    def __init__(self) -> None:
        super().__init__()
        pad = nn.ConstantPad2d(1, -1.0)
        self.left = nn.Sequential(Conv(4, 3, 1), nn.BatchNorm2d(3), Sign())
        self.right = nn.Sequential(pad, Conv(4, 5, 3), nn.BatchNorm2d(5), Sign())

    def forward(self, x: Tensor) -> Tensor:
        """(N, 4, H, W) → (N, 8, H, W)."""
        return torch.cat([self.left(x), self.right(x)], dim=1)


def joined_maps() -> nn.Sequential:
    """A fork of a feature map, and a concatenation in front of a max-pool; for (2, 6, 6)."""
    front = [Sign(), nn.ConstantPad2d(1, -1.0), Conv(2, 4, 3), nn.BatchNorm2d(4), Sign()]
    back = [nn.MaxPool2d(2), Conv(8, 6, 3), nn.BatchNorm2d(6), Sign(), nn.Flatten()]
    return _random(nn.Sequential(*front, ForkedMaps(), *back, Linear(6, 5)))


def _random(network: nn.Sequential) -> nn.Sequential:
    """Weights ±1, all equal in a row here and there; BatchNorms of both signs, off the integers."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, Linear | Conv):
            module.weight.data = torch.rand(module.weight.shape, generator=generator) - 0.5
            module.weight.data[0] = 0.5
            module.weight.data[-1] = -0.5
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            channels = module.num_features
            sign = torch.randint(0, 2, (channels,), generator=generator) * 2 - 1
            module.weight.data = sign * (0.5 + torch.rand(channels, generator=generator))
            module.bias.data = torch.rand(channels, generator=generator) - 0.5
            # A threshold on an integer would be a matter of rounding.
            module.running_mean = torch.randint(-2, 3, (channels,), generator=generator) + 0.37
            module.running_var = 1 + torch.rand(channels, generator=generator)
    for module in network.modules():
        if isinstance(module, Fork):
            # FINN moves a negative scale into the weights before it, and a sum has none.
            module.sum[0].weight.data.abs_()
    return network.eval()


@dataclass(frozen=True, kw_only=True)
class Built:
    """What FINN's builder made of a network.

    Attributes:
        parent: the graph with the hardware as one node.
        nodes: the hardware before FIFOs, node by node.
        design: the hardware, stitched.
    """

    parent: ModelWrapper
    nodes: ModelWrapper
    design: ModelWrapper

    def hardware_inputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the host makes of inputs (N, …)."""
        name = self.parent.graph.input[0].name
        node = self.parent.get_nodes_by_op_type("StreamingDataflowPartition")[0]
        images = [execute_onnx(self.parent, {name: i[None]}, True)[node.input[0]] for i in x]
        return np.concatenate(images)


def build(
    network: nn.Module, shape: tuple[int, ...], folder: Path, *, target_fps: int = 1_000_000
) -> Built:
    """Through FINN's builder, from the QONNX file of inputs (1, *shape) to a stitched design."""
    path = folder / "network.onnx"
    export_qonnx(network, torch.zeros(1, *shape), str(path))
    front = ["step_qonnx_to_finn", "step_tidy_up", step_streamline_bits]
    return _build(path, front, folder, target_fps)


def build_lowered(graph: ModelWrapper, folder: Path, *, target_fps: int = 1_000_000) -> Built:
    """The same, from hardware conversion on: of a graph that was written from a Dataflow."""
    path = folder / "lowered.onnx"
    graph.save(str(path))
    return _build(path, [], folder, target_fps)


def _build(path: Path, front: list[Any], folder: Path, target_fps: int) -> Built:
    use_verilator()  # FINN's builder wants a simulator when it is imported
    from finn.builder.build_dataflow import build_dataflow_cfg

    config = DataflowBuildConfig(
        output_dir=str(folder / "build"),
        steps=[
            *front,
            step_convert_bits_to_hw,
            "step_create_dataflow_partition",
            step_specialize_kernels,
            step_fold_kernels,
            step_set_join_fifo_depths,
            "step_minimize_bit_width",
            "step_generate_estimate_reports",
            "step_hw_codegen",
            "step_hw_ipgen",
            "step_set_fifo_depths",
            step_stitch_verilog,
        ],
        generate_outputs=[],
        fpga_part=PART,
        synth_clk_period_ns=CLOCK_NS,
        target_fps=target_fps,
        auto_fifo_strategy=AutoFIFOSizingMethod.FORCE_MINIMAL_FIFOS,
        save_intermediate_models=True,
    )
    assert build_dataflow_cfg(str(path), config) == 0
    models = folder / "build" / "intermediate_models"
    return Built(
        parent=ModelWrapper(str(models / "dataflow_parent.onnx")),
        nodes=ModelWrapper(str(models / "step_hw_ipgen.onnx")),
        design=ModelWrapper(str(models / "step_stitch_verilog.onnx")),
    )
