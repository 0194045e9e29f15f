"""Export of networks with convolutions: pads, pools, scales and 8-bit inputs, all exact."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from bnnedge.data.encodings import Encoding, IntegerEncoding, OneBitThreshold, QuantileThermometer
from bnnedge.errors import ExportError
from bnnedge.exporter.check import compare_norms, compare_streams, execute
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.exporter.reference import adversarial_inputs
from bnnedge.models.config import (
    LayerConfig,
    NetworkConfig,
    PoolConfig,
    PoolKind,
    Precision,
    StageConfig,
    Topology,
)
from bnnedge.models.network import Network
from bnnedge.ops.config import PaddingMode, WeightScale
from tests.models.networks import random_network

_LAYERS = (
    LayerConfig(conv=6, padding=1, pool=PoolConfig(size=3, stride=2, padding=1)),
    LayerConfig(conv=5, kernel=2, stride=2, padding=1),
    LayerConfig(dense=12),
)
_AVERAGING = (
    LayerConfig(conv=6, pool=PoolConfig(size=3, stride=2, padding=1, kind=PoolKind.AVERAGE)),
    LayerConfig(conv=4, kernel=1),
)


def _adversarial(model: Network) -> np.ndarray:
    first = next(iter(model.layers.values()))
    return adversarial_inputs(
        input_shape=model.input_shape,
        encoding=model.input_encoding,
        input_range=(0, 255),
        first_weights=first.weights.bipolar_weight().numpy(),
    )


@pytest.mark.parametrize(
    ("config", "encoding"),
    [
        pytest.param(
            NetworkConfig(topology=Topology.CONV, layers=_LAYERS, padding=PaddingMode.ZERO),
            IntegerEncoding(),
            id="integers-zero-padding",
        ),
        pytest.param(
            NetworkConfig(
                topology=Topology.CONV,
                layers=_LAYERS,
                padding=PaddingMode.PLUS_ONE,
                weight_scale=WeightScale.CHANNEL,
            ),
            QuantileThermometer(levels=(50.5, 120.0, 200.0)),
            id="thermometer-scales",
        ),
        pytest.param(
            NetworkConfig(topology=Topology.CONV, layers=_AVERAGING),
            OneBitThreshold(threshold=127.5),
            id="average-pools",
        ),
        pytest.param(
            NetworkConfig(
                topology=Topology.CONV,
                layers=(*_LAYERS, LayerConfig(dense=9)),
                weight_bits=2,
                activation_bits=2,
            ),
            IntegerEncoding(),
            id="ternary-integers",
        ),
        pytest.param(
            NetworkConfig(
                topology=Topology.CONV, layers=_LAYERS, weight_bits=2, padding=PaddingMode.ZERO
            ),
            QuantileThermometer(levels=(50.5, 120.0, 200.0)),
            id="ternary-bits-zero-padding",
        ),
        pytest.param(
            NetworkConfig(topology=Topology.CONV, layers=_AVERAGING, activation_bits=4),
            OneBitThreshold(threshold=127.5),
            id="integers-average-pools",
        ),
        pytest.param(
            NetworkConfig(topology=Topology.NIN), OneBitThreshold(threshold=99.0), id="nin"
        ),
        pytest.param(NetworkConfig(topology=Topology.RESNET20), IntegerEncoding(), id="resnet20"),
        pytest.param(
            NetworkConfig(topology=Topology.RESNET20, residual_bits=0),
            IntegerEncoding(),
            id="resnet20-real-residual",
        ),
        pytest.param(
            NetworkConfig(
                topology=Topology.RESNET,
                stages=(StageConfig(channels=6), StageConfig(channels=5, stride=2)),
                residual_bits=3,
                weight_scale=WeightScale.CHANNEL,
            ),
            QuantileThermometer(levels=(50.5, 120.0, 200.0)),
            id="resnet-binary-shortcut",
        ),
    ],
)
def test_images_export_exactly(config: NetworkConfig, encoding: Encoding) -> None:
    model = random_network(config, input_shape=(2, 9, 7), encoding=encoding, classes=3)
    graph = to_qonnx(model)
    assert compare_norms(model, graph).pairs == sum(
        len(layer.reachable()) * len(layer.weights.weight) for layer in model.layers.values()
    )
    inputs = _adversarial(model)
    compared = compare_streams(model, graph, inputs)
    assert compared.numbers == sum(
        s.numel() for s in model.trace(torch.from_numpy(inputs)).values()
    )
    assert compared.accumulators.shape == (len(inputs), 3)
    assert np.array_equal(compared.accumulators.argmax(1), compared.logits.argmax(1))
    for count in (1, 3):
        assert np.array_equal(execute(graph, inputs[:count])["logits"], compared.logits[:count])


@pytest.fixture(scope="module")
def model() -> Network:
    config = NetworkConfig(topology=Topology.CONV, layers=_LAYERS)
    return random_network(
        config, input_shape=(2, 9, 7), encoding=IntegerEncoding(), classes=3, seed=4
    )


@pytest.fixture(scope="module")
def graph(model: Network) -> onnx.ModelProto:
    return to_qonnx(model)


def test_nodes_and_constants_are_named_after_their_layers(
    model: Network, graph: onnx.ModelProto
) -> None:
    assert [node.name for node in graph.graph.node] == [
        "encoding.quant",
        *("hidden.0.conv.weight_quant", "hidden.0.conv", "hidden.0.pool"),
        *("hidden.0.norm.mul", "hidden.0.norm.add", "hidden.0.sign"),
        *("hidden.1.conv.pad", "hidden.1.conv.weight_quant", "hidden.1.conv"),
        *("hidden.1.norm.mul", "hidden.1.norm.add", "hidden.1.sign"),
        *("hidden.2.reshape", "hidden.2.linear.weight_quant", "hidden.2.linear"),
        *("hidden.2.norm.mul", "hidden.2.norm.add", "hidden.2.sign"),
        *("output.linear.weight_quant", "output.linear", "output.norm.mul", "output.norm.add"),
    ]
    constants = {tensor.name for tensor in graph.graph.initializer}
    assert {"hidden.0.norm.scale", "hidden.0.norm.shift", "encoding.quant.bits"} <= constants
    assert all(
        name.startswith(("hidden.", "output.", "encoding.", "bipolar")) for name in constants
    )
    assert [(entry.key, entry.value) for entry in graph.metadata_props] == [
        ("bnnedge.encoding", "uint8")
    ]
    assert graph.SerializeToString() == to_qonnx(model).SerializeToString()


def test_a_changed_pixel_is_named(model: Network, graph: onnx.ModelProto) -> None:
    wrong = onnx.ModelProto()
    wrong.CopyFrom(graph)
    pad = next(node for node in wrong.graph.node if node.name == "hidden.1.conv.pad")
    value = next(t for t in wrong.graph.initializer if t.name == pad.input[2])
    assert numpy_helper.to_array(value) == -1
    value.CopyFrom(numpy_helper.from_array(np.float32(1), value.name))
    inputs = _adversarial(model)
    with pytest.raises(
        ExportError, match=r"hidden.1.conv, channel \d, pixel \(0, \d\), input 0: PyTorch gives"
    ):
        compare_streams(model, wrong, inputs)
    compare_norms(model, wrong)  # the pads have no part in it


def test_adversarial_images_reach_the_edges(model: Network) -> None:
    inputs = _adversarial(model)
    assert inputs.dtype == np.float32 and inputs.shape[1:] == (2, 9, 7)
    flat = inputs.reshape(len(inputs), -1)
    for value in (0.0, 255.0, 0.5, 1.5, -0.5, 254.5, 255.5, -1.0, 256.0):
        assert (flat == value).all(1).any(), value
    frame = np.zeros((9, 7))
    frame[1:-1, 1:-1] = 255
    corner = np.zeros((9, 7))
    corner[-1, 0] = 255
    for image in (frame, 255 - frame, corner, 255 - corner):
        assert (inputs == image).all((1, 2, 3)).any()
    streams = model.trace(torch.from_numpy(inputs))
    assert set(streams["encoding"].unique().tolist()) <= set(map(float, range(256)))
    # Some window of the last images matches each channel's weights as well or badly as it can.
    sums = streams["hidden.0.conv"].numpy()[-12:]
    weights = model.layers["hidden.0"].weights.bipolar_weight().numpy()
    for channel in range(6):
        assert sums[channel, channel].max() == 255 * (weights[channel] > 0).sum()
        assert sums[6 + channel, channel].min() == -255 * (weights[channel] < 0).sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first_last": Precision.FLOAT}, "hidden.0 has float weights"),
        ({"weights": Precision.FLOAT}, "hidden.0 has float weights"),
        ({"activations": Precision.FLOAT}, "hidden.0.relu gives real numbers"),
    ],
)
def test_float_networks_are_refused(options: dict[str, Precision], message: str) -> None:
    config = NetworkConfig(topology=Topology.LENET5, **options)
    model = random_network(config, input_shape=(1, 16, 16), encoding=IntegerEncoding())
    with pytest.raises(ExportError, match=f'{message}.*first_last = "binary"'):
        to_qonnx(model)
