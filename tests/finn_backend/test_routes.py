"""Two ways to FINN's hardware nodes give the same ones: the Dataflow's graph, and streamlining."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx
from finn.core.onnx_exec import execute_onnx
from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
from numpy.typing import NDArray
from onnx import NodeProto
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.util.cleanup import cleanup_model
from torch import nn

from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.finn_backend.steps import step_convert_bits_to_hw, step_streamline_bits
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.models.pretrained.cards import ModelCard
from bnnedge.models.pretrained.load import load_card
from tests.brevitas_cnv import brevitas_cnv
from tests.finn_backend.networks import branches, conv_net, joined_maps, mlp
from tests.lowering.test_brevitas import bnn_pynq

DOMAIN = "finn.custom_op.fpgadataflow"
NAMES = {"preferred_impl_style", "backend"}
"""Attributes that are no part of what hardware does."""


def streamlined(path: Path) -> ModelWrapper:
    """By FINN's own passes, with ours where a stock one goes wrong."""
    model = cleanup_model(ModelWrapper(str(path))).transform(ConvertQONNXtoFINN())
    model = step_streamline_bits(cleanup_model(model).transform(InferDataTypes()), None)
    return step_convert_bits_to_hw(model, None)


def is_hardware(node: NodeProto | None) -> bool:
    """Whether it is a node of FINN's or ours, or works on integers between such nodes."""
    return node is not None and (node.domain == DOMAIN or node.op_type == "Pad")


def last_hardware_node(model: ModelWrapper) -> NodeProto:
    return [node for node in model.graph.node if node.domain == DOMAIN][-1]


def attributes(node: NodeProto) -> dict[str, str]:
    if node.op_type == "Pad":
        return {}
    instance = getCustomOp(node)
    names = {*instance.get_nodeattr_types()} - NAMES
    return {name: str(instance.get_nodeattr(name)) for name in sorted(names)}


def tensors(model: ModelWrapper, node: NodeProto) -> list[tuple[DataType, list[int]]]:
    names = [*node.input, *node.output]
    if node.op_type == "Pad":
        names = [node.input[0], node.output[0]]
    return [(model.get_tensor_datatype(name), model.get_tensor_shape(name)) for name in names]


def decides(thresholds: NDArray[Any], node: NodeProto) -> NDArray[np.bool_]:
    """The rows whose result depends on the sum: of others the weights do not matter."""
    instance = getCustomOp(node)
    largest = DataType[instance.get_nodeattr("inputDataType")]
    limit = instance.get_nodeattr("MW") * max(-largest.min(), largest.max())
    return np.asarray(((thresholds > -limit) & (thresholds <= limit)).any(axis=1))


class Pairs:
    """The hardware nodes of two graphs, against the streams, from the last ones."""

    def __init__(self, first: ModelWrapper, second: ModelWrapper) -> None:
        self.models = first, second
        self.seen: dict[str, str] = {}
        self.compare(last_hardware_node(first), last_hardware_node(second))

    def compare(self, one: NodeProto, other: NodeProto) -> None:
        if one.name in self.seen:  # both ways through a fork end at the same node
            assert self.seen[one.name] == other.name
            return
        self.seen[one.name] = other.name
        first, second = self.models
        assert (one.op_type, attributes(one)) == (other.op_type, attributes(other)), one.name
        assert tensors(first, one) == tensors(second, other), one.name
        constants = [
            [model.get_initializer(name) for name in node.input]
            for model, node in zip(self.models, (one, other), strict=True)
        ]
        matters: Any = slice(None)
        if one.op_type == "XnorMVAU" and len(one.input) > 2:
            matters = decides(constants[0][2], one)
            assert matters.mean() > 0.25
        # Who says that a Pad is by 0 says what is meant without saying so.
        strict = one.op_type != "Pad"
        for place, (mine, theirs) in enumerate(zip(*constants, strict=strict)):
            assert (mine is None) == (theirs is None)
            if mine is None:
                self.follow(one.input[place], other.input[place])
            elif place == 1 and one.op_type == "XnorMVAU":
                assert np.array_equal(mine[:, matters], theirs[:, matters]), one.name
            else:
                assert np.array_equal(mine, theirs), one.name

    def follow(self, one: str, other: str) -> None:
        """From two streams to what makes them, up to the host."""
        makers = [
            model.find_producer(name) for model, name in zip(self.models, (one, other), strict=True)
        ]
        hardware = [is_hardware(maker) for maker in makers]
        assert hardware[0] == hardware[1], (one, other)
        if hardware[0]:
            self.compare(*makers)


def run(model: ModelWrapper, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What nodes compute of images (N, …)."""
    source, result = model.graph.input[0].name, model.graph.output[0].name
    made = [execute_onnx(model, {source: image[None]})[result].reshape(-1) for image in x]
    return np.stack(made)


def both_ways(network: nn.Module, shape: tuple[int, ...], folder: Path) -> None:
    """Compare all hardware nodes, and run what is written of the Dataflow."""
    path = folder / "network.onnx"
    export_qonnx(network.eval(), torch.zeros(1, *shape), str(path))
    both_ways_of(path)


def both_ways_of(path: Path) -> None:
    """The same, of a file."""
    lowered = lower_model(path, LoweringConfig(check_images=16))
    written = step_convert_bits_to_hw(lowered.graph, None)
    route = streamlined(path)
    pairs = Pairs(written, route)
    for model, names in ((written, {*pairs.seen}), (route, {*pairs.seen.values()})):
        assert names == {node.name for node in model.graph.node if is_hardware(node)}
    shape = lowered.dataflow.input.input_shape
    x = np.random.default_rng(0).random((2, *shape), np.float32)
    logits = lowered.dataflow.logits(x)
    assert np.array_equal(run(written, x), logits)
    assert np.allclose(run(route, x), logits, rtol=1e-4, atol=1e-4)  # FINN folds the tail


SLOW = pytest.mark.slow
Network = Callable[[], nn.Module]


@SLOW
def test_both_ways_give_the_same_nodes_of_the_residual_network(tmp_path: Path) -> None:
    """Shortcuts that pick pixels and add channels; FINN has no hardware for a Pad of channels."""
    path = tmp_path / "resnet.onnx"
    onnx.save(to_qonnx(load_card(ModelCard.load("resnet_fashion_mnist"))), path)
    both_ways_of(path)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        pytest.param(lambda: mlp((16, 12, 8, 4)), (16,), id="mlp"),
        pytest.param(conv_net, (2, 6, 6), id="conv"),
        pytest.param(branches, (12,), id="sum and concatenation"),
        pytest.param(joined_maps, (2, 6, 6), id="concatenated maps"),
        pytest.param(
            lambda: bnn_pynq("tfc_1w1a", seed=3, hostile=False), (1, 28, 28), id="tfc_1w1a"
        ),
        pytest.param(
            lambda: bnn_pynq("tfc_1w2a", seed=3, hostile=False), (1, 28, 28), id="tfc_1w2a"
        ),
        pytest.param(lambda: brevitas_cnv(hostile=False), (3, 32, 32), id="cnv", marks=SLOW),
    ],
)
def test_both_ways_give_the_same_hardware_nodes(
    tmp_path: Path, network: Network, shape: tuple[int, ...]
) -> None:
    """Types, shapes, attributes, weights and thresholds; scales of 0 and below among them."""
    both_ways(network(), shape, tmp_path)
