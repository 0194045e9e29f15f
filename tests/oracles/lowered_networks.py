"""The networks whose lowering is on record: seeded graphs of every dialect, and the zoo's own."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx

from bnnedge.data.encodings import IntegerEncoding
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.pretrained.cards import ModelCard, available
from bnnedge.models.pretrained.load import load_card
from tests.brevitas_cnv import brevitas_cnv
from tests.lowering import test_branches as branches
from tests.lowering import test_foreign as foreign
from tests.lowering import test_input_pools as pools
from tests.lowering.graphs import Graph, adversarial_norm, bipolar
from tests.lowering.test_brevitas import bnn_pynq
from tests.lowering.test_conv import random_images
from tests.models.networks import random_network

_ONE = np.float32([1])


def _dense(seed: int) -> Graph:
    """Three layers in one of the dialects, with scales and biases that round, or do not."""
    rng = np.random.default_rng(seed)
    form = ("matmul", "gemm", "xnor")[seed % 3]
    scale = np.float32((1, 0.5, 0.3)[seed // 3 % 3])
    graph = Graph((1, 11))
    for width, height in ((11, 9), (9, 6), (6, 4)):
        if form == "xnor" or rng.random() < 0.3:
            levels = {"out_dtype": "BINARY", "out_scale": 1.0, "out_bias": 0.0}
            graph.add("MultiThreshold", np.float32([[0.5]]), **levels)
        else:
            graph.add("BipolarQuant", np.float32([scale]))
        weights = bipolar(rng, width, height)
        if form == "xnor":
            graph.add("XnorPopcountMatMul", (weights > 0).astype(np.float32))
        elif form == "gemm":
            bias = rng.integers(-3, 4, height) * np.float32(0.5)
            factors = {"alpha": 0.75, "beta": 3.0} if seed > 6 else {}
            graph.add("Gemm", weights.T, bias, transB=1, **factors)
        else:
            sizes = rng.choice(np.float32([0.5, 1.5, 0.3]), height) if seed > 3 else 2
            graph.add("MatMul", weights * np.float32(sizes))
        if height != 4:
            adversarial_norm(rng, width, height).append(graph)
    graph.add("Add", rng.standard_normal(4))
    if seed % 2:
        graph.add("Softmax", axis=-1)
    return graph


def _branches(build: Callable[[], Graph]) -> Graph:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(branches, "RNG", np.random.default_rng(0))
        return build()


def _pools(build: Callable[[np.random.Generator], Graph]) -> Graph:
    return build(np.random.default_rng(0))


def _foreign(binarise: foreign.Binariser) -> Graph:
    return foreign._network(Graph((1, 12)), binarise)


SEEDED: Mapping[str, Callable[[], Graph]] = {
    **{f"dense_{seed}": functools.partial(_dense, seed) for seed in range(9)},
    **{
        f"images_{seed}": functools.partial(lambda seed: random_images(seed).graph, seed)
        for seed in (0, 1, 2, 3, 4, 5, 28467, 731786)
    },
    **{
        build.__name__: functools.partial(_branches, build)
        for build in (
            branches.identity_shortcut,
            branches.growing_sums,
            branches.other_scales,
            branches.shortcut_of_bits,
            branches.half_the_pixels,
            branches.factorised_reduction,
            branches.sliced_axis_by_axis,
            branches.pooled_twice,
            branches.averages_of_six,
            branches.maxima,
            branches.average_of_bits,
            branches.four_bit_activations,
            branches.two_heads_of_one_layer,
        )
    },
    **{
        f"pools{build.__name__}": functools.partial(_pools, build)
        for build in (pools._into_convolution, pools._into_vector, pools._of_signed)
    },
    **{
        f"binariser{build.__name__}": functools.partial(_foreign, build)
        for build in (
            foreign._where,
            foreign._double_sign,
            foreign._where_zero,
            foreign._plus_one_minus_abs,
            foreign._where_ones_like,
            foreign._sign_of_relu,
            foreign._one_bit_quant,
        )
    },
}


def _own(name: str, path: Path) -> None:
    """A pretrained network, or a topology with random weights for CIFAR-10's images."""
    if name in available():
        onnx.save(to_qonnx(load_card(ModelCard.load(name))), path)
        return
    config = NetworkConfig(topology=Topology(name))
    network = random_network(config, input_shape=(3, 32, 32), encoding=IntegerEncoding())
    onnx.save(to_qonnx(network), path)


def _pynq(name: str, path: Path) -> None:
    """One of Brevitas's, by its own exporter."""
    network = bnn_pynq(name, seed=3, hostile=True)
    export_qonnx(network, torch.zeros(1, 1, 28, 28), str(path))


def _pynq_cnv(path: Path) -> None:
    export_qonnx(brevitas_cnv(hostile=True), torch.zeros(1, 3, 32, 32), str(path))


_TOPOLOGIES = ("lenet5", "cnv", "vgg-small", "nin", "resnet18", "resnet20")
EXPORTED: Mapping[str, Callable[[Path], None]] = {
    **{name: functools.partial(_own, name) for name in (*available(), *_TOPOLOGIES)},
    **{n: functools.partial(_pynq, n) for n in ("tfc_1w1a", "sfc_1w1a", "lfc_1w1a")},
    "cnv_1w1a": _pynq_cnv,
}
