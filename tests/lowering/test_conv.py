"""Convolutional chains in foreign dialects, with everything awkward at once: equal to qonnx."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bnnedge.dataflow import (
    Dataflow,
    IntegerEncoding,
    IntegerMvu,
    MaxPool,
    SlidingWindow,
    SumPool,
    Threshold,
    XnorMvu,
)
from bnnedge.errors import MismatchError
from bnnedge.lowering import Lowered, LoweringConfig, SignZero, lower_model
from bnnedge.lowering.check import Original, check_original
from bnnedge.lowering.load import read
from tests.lowering.graphs import Graph, adversarial_norm, bipolar, execute

ONE = np.float32([1])
CONFIG = LoweringConfig(check_images=16, sign_zero=SignZero.PLUS)
BINARY = {"out_dtype": "BINARY", "out_scale": 1.0, "out_bias": 0.0}


@dataclass
class Images:
    """A graph, and the size of the feature map that it has come to."""

    channels: int
    height: int
    width: int
    rng: np.random.Generator
    graph: Graph = field(init=False)
    levels: tuple[float, float] | None = None  # what the stream consists of, if it is bits
    reach: int = 0  # of the accumulators

    def __post_init__(self) -> None:
        self.graph = Graph((1, self.channels, self.height, self.width))

    def add(self, op: str, *constants: Any, **attributes: Any) -> str:
        return self.graph.add(op, *constants, **attributes)

    def binarise(self, kind: str) -> None:
        match kind:
            case "bipolar":
                self.add("BipolarQuant", ONE)
            case "scaled":
                self.add("BipolarQuant", np.float32([0.5]))
            case "binary":
                self.add("MultiThreshold", np.float32([[0.5]]), **BINARY)
            case "where":
                self.add("Greater", np.float32(0))
                self.add("Where", ONE, -ONE)
        self.levels = {"scaled": (-0.5, 0.5), "binary": (0.0, 1.0)}.get(kind, (-1.0, 1.0))

    def conv(
        self,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        groups: int = 1,
        fill: float | None = None,
        **attributes: Any,
    ) -> None:
        """With `fill`, padding is an explicit Pad by that value."""
        top, left, bottom, right = padding
        if fill is not None:
            sizes = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
            self.add("Pad", sizes, np.float32(fill), mode="constant")
        weights = bipolar(self.rng, channels, self.channels // groups, *kernel)
        self.add(
            "Conv",
            weights,
            pads=[0, 0, 0, 0] if fill is not None else padding,
            strides=stride,
            dilations=dilation,
            group=groups,
            **attributes,
        )
        self.reach = weights[0].size
        self.channels = channels
        self._shrink(kernel, stride, padding, dilation)

    def pool(
        self,
        op: str,
        kernel: tuple[int, int] = (2, 2),
        stride: tuple[int, int] = (2, 2),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        **attributes: Any,
    ) -> None:
        self.add(op, kernel_shape=kernel, strides=stride, pads=padding, **attributes)
        self._shrink(kernel, stride, padding, (1, 1))

    def norm(self) -> None:
        adversarial_norm(self.rng, self.reach, self.channels).append(self.graph)

    def dense(self, classes: int) -> None:
        self.add("Flatten")
        features = self.channels * self.height * self.width
        self.add("MatMul", bipolar(self.rng, features, classes))
        self.add("Add", self.rng.standard_normal(classes))

    def _shrink(
        self,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int],
        dilation: tuple[int, int],
    ) -> None:
        top, left, bottom, right = padding
        rows = self.height + top + bottom - (kernel[0] - 1) * dilation[0] - 1
        columns = self.width + left + right - (kernel[1] - 1) * dilation[1] - 1
        self.height, self.width = rows // stride[0] + 1, columns // stride[1] + 1

    def lower(self, tmp_path: Path) -> tuple[Lowered, np.ndarray]:
        """Lowered, and compared with qonnx's own execution of the file; returns the inputs."""
        path = self.graph.save(tmp_path / "images.onnx")
        lowered = lower_model(path, CONFIG)
        shape = lowered.dataflow.input.input_shape
        x = self.rng.standard_normal((4, *shape)) * np.array([1, 1, 5, 100])[:, None, None, None]
        x = x.astype(np.float32)
        assert lowered.facts["lifted"] == []
        assert np.array_equal(lowered.dataflow.logits(x), execute(path, x).reshape(4, -1))
        return lowered, x


def _images(seed: int, channels: int = 3, height: int = 8, width: int = 6) -> Images:
    return Images(channels, height, width, np.random.default_rng(seed))


def random_images(seed: int) -> Images:
    """Two layers of any kind, with what may stand between, and a dense one."""
    rng = np.random.default_rng(seed)
    images = Images(*(int(n) for n in rng.integers((1, 5, 5), (5, 9, 9))), rng)
    images.binarise(str(rng.choice(["bipolar", "scaled", "binary", "where"])))
    for _ in range(2):
        assert images.levels is not None
        groups = int(rng.choice([1, images.channels]))
        kernel, dilation, stride = (tuple(rng.integers(1, 3, 2).tolist()) for _ in range(3))
        padding = tuple(rng.integers(0, 3, 4).tolist()) if rng.random() < 0.7 else (0, 0, 0, 0)
        fill = [None, *images.levels][int(rng.integers(3))]
        if min(images.height, images.width) < 3:
            kernel, dilation = (1, 1), (1, 1)
        images.conv(
            groups * int(rng.integers(1, 4)), kernel, stride, dilation, padding, groups, fill
        )
        order = int(rng.integers(4))
        window = tuple(min(2, n) for n in (images.height, images.width))
        if order == 1:
            images.pool("MaxPool", window, (1, 2), (0, window[1] - 1, 0, 0))
        images.norm()
        if order == 2:
            images.pool("MaxPool", window, (2, 1))
        images.binarise(str(rng.choice(["bipolar", "scaled", "binary", "where"])))
        if order == 3:
            images.pool("MaxPool", window, (1, 1), (0, 0, window[0] - 1, 0))
    images.dense(3)
    return images


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=28467)  # padding in front of the first layer
@example(seed=731786)  # a depthwise layer of 1x1 behind a pool
def test_any_two_layers_are_lowered_exactly(seed: int, tmp_path: Path) -> None:
    random_images(seed).lower(tmp_path)


@pytest.mark.parametrize("fill", [None, -1.0, 1.0])
def test_three_paddings(tmp_path: Path, fill: float | None) -> None:
    """Zeros are border classes, −1 and +1 are bits."""
    images = _images(0)
    images.binarise("bipolar")
    images.conv(5, padding=(1, 2, 0, 1), fill=fill)
    images.norm()
    images.binarise("bipolar")
    images.conv(4, (2, 3), padding=(1, 1, 1, 1), fill=fill)
    images.add("GlobalAveragePool")
    dataflow = images.lower(tmp_path)[0].dataflow
    first, last = dataflow.mvus
    assert isinstance(first, XnorMvu) and isinstance(last, XnorMvu)
    assert (first.border is not None) == (last.correction is not None) == (fill is None)
    window = dataflow.nodes[0]
    assert isinstance(window, SlidingWindow) and window.fill == (fill == 1)
    assert dataflow.output.step == (1 if fill is None else 2)


@pytest.mark.parametrize("same", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad(tmp_path: Path, same: str) -> None:
    images = _images(1, height=7)
    images.binarise("bipolar")
    weights = bipolar(images.rng, 4, 3, 2, 3)
    images.add("Conv", weights, auto_pad=same, strides=[2, 1])
    images.reach, images.channels = 18, 4
    images.height, images.width = (3, 4) if same == "VALID" else (4, 6)
    images.norm()
    images.binarise("bipolar")
    images.dense(3)
    images.lower(tmp_path)


def test_a_pool_of_falling_values_is_an_and(tmp_path: Path) -> None:
    """max(−a) = −min(a): behind a negative scale a bit that rises with a is ANDed."""
    images = _images(2, channels=2)
    images.binarise("bipolar")
    images.conv(4, (2, 2))
    images.add("Mul", np.float32([1, -1, 1, -1]).reshape(4, 1, 1))
    images.pool("MaxPool")
    images.add("Mul", np.float32([1, 1, -1, -1]).reshape(4, 1, 1))
    images.add("Add", np.float32([0.5, 0.5, -0.5, -0.5]).reshape(4, 1, 1))
    images.binarise("bipolar")
    images.pool("MaxPool", (1, 2), (1, 1))
    images.dense(3)
    dataflow = images.lower(tmp_path)[0].dataflow
    # Bits rise with a in channels 0 and 3; what is pooled first falls in channels 1 and 3.
    first, second = (node for node in dataflow.nodes if isinstance(node, MaxPool))
    assert dataflow.mvus[0].invert is not None
    assert dataflow.mvus[0].invert.tolist() == [False, True, True, False]
    assert first.conjunction.tolist() == [False, False, True, True]
    assert not second.conjunction.any()


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("AveragePool", {"count_include_pad": 1, "padding": (1, 0, 0, 1), "kernel": (3, 2)}),
        ("AveragePool", {"kernel": (2, 2), "stride": (1, 1)}),
        ("GlobalAveragePool", {}),
        ("ReduceMean", {"axes": [2, 3]}),
    ],
)
def test_averages_are_sums(tmp_path: Path, op: str, attributes: dict[str, Any]) -> None:
    images = _images(3)
    images.binarise("bipolar")
    images.conv(6, (2, 2))
    pixels = images.height * images.width
    if op == "AveragePool":
        images.pool(op, **attributes)
        images.reach *= int(np.prod(attributes["kernel"]))
    else:
        images.add(op, **attributes)
        images.height, images.width = 1, 1
        images.reach *= pixels
    images.norm()
    images.binarise("bipolar")
    images.dense(3)
    dataflow = images.lower(tmp_path)[0].dataflow
    kinds = [type(node) for node in dataflow.nodes]
    assert kinds[1:4] == [XnorMvu, SumPool, Threshold]


@pytest.mark.parametrize(
    ("bits", "signed", "scale", "zero_point"),
    [(8, 0, 1.0, 0), (4, 1, 0.25, 0), (8, 0, 1.0, 128), (3, 1, 2.0, 1), (2, 1, 1.0, 0)],
)
def test_quantised_inputs(
    tmp_path: Path, bits: int, signed: int, scale: float, zero_point: int
) -> None:
    images = _images(4)
    parameters = [np.float32(n) for n in (scale, zero_point, bits)]
    images.add("Quant", *parameters, signed=signed, narrow=0, rounding_mode="ROUND")
    images.conv(6, padding=(1, 1, 1, 1), groups=3)
    images.reach *= 2**bits
    images.norm()
    images.binarise("bipolar")
    images.dense(3)
    dataflow = images.lower(tmp_path)[0].dataflow
    encoding, first = dataflow.input, dataflow.mvus[0]
    assert isinstance(encoding, IntegerEncoding) and isinstance(first, IntegerMvu)
    assert encoding.steps.shape[0] == 1
    low = -(1 << (bits - 1)) if signed else 0
    assert np.isfinite(encoding.steps).sum() == (1 << bits) - 1
    x = np.float32([low - 9, low, low + 1, low + 1.5]) - zero_point
    got = encoding.encode(np.tile((x * scale).reshape(4, 1, 1, 1), (1, 3, 8, 6)))
    wanted = np.float32([low, low, low + 1, (low + 1.5).__round__()]) - zero_point
    assert got[:, 0, 0, 0].tolist() == wanted.tolist()


def test_steps_per_channel(tmp_path: Path) -> None:
    """FINN's MultiThreshold with several steps; a step that is never taken among them."""
    images = _images(5)
    steps = np.sort(images.rng.normal(0, 1, (3, 5)), axis=1).astype(np.float32)
    images.add("MultiThreshold", steps, out_dtype="UINT3", data_layout="NCHW")
    images.conv(4, padding=(1, 1, 1, 1))
    images.reach *= 5
    images.norm()
    images.binarise("bipolar")
    images.dense(3)
    encoding = images.lower(tmp_path)[0].dataflow.input
    assert isinstance(encoding, IntegerEncoding) and encoding.steps.shape == (3, 7)
    assert np.array_equal(encoding.steps[:, :5], steps)
    assert np.isposinf(encoding.steps[:, 5:]).all()


def test_uint8_pixels_into_a_convolution(tmp_path: Path) -> None:
    images = _images(6)
    images.graph.input.type.tensor_type.elem_type = 2
    images.add("Cast", to=1)
    images.conv(4, fill=7.0, padding=(1, 0, 1, 0))
    images.reach *= 255
    images.norm()
    images.binarise("bipolar")
    images.dense(3)
    path = images.graph.save(tmp_path / "uint8.onnx")
    lowered = lower_model(path, CONFIG)
    dataflow = lowered.dataflow
    name = dataflow.input.name
    wanted = {"name": name, "element": "UINT8", "elements": 3 * 8 * 6}
    assert lowered.facts["encoding"] == wanted
    x = images.rng.integers(0, 256, (6, 3, 8, 6)).astype(np.uint8)
    assert np.array_equal(dataflow.logits(x), execute(path, x))


def test_a_scale_that_rounds_is_named(tmp_path: Path) -> None:
    images = _images(7)
    images.add("Quant", np.float32(1 / 255), np.float32(0), np.float32(8), signed=0, narrow=0)
    images.conv(4, fill=None)
    images.add("Sub", np.float32(0.77))
    images.binarise("bipolar")
    images.dense(3)
    facts = lower_model(images.graph.save(tmp_path / "scale.onnx"), CONFIG).facts
    assert facts["lifted"] == [{"layer": "conv_1", "what": "activation scale"}]


def test_thermometer_images(tmp_path: Path) -> None:
    """Channel c · levels + k, as bnnedge's own encoding has it."""
    images = _images(8, channels=2)
    levels = np.float32([-0.7, 0.1, 0.9])
    images.add("Unsqueeze", np.array([2], np.int64))
    images.add("Sub", levels.reshape(3, 1, 1))
    images.binarise("bipolar")
    images.add("Reshape", np.array([1, 6, 8, 6], np.int64))
    images.channels = 6
    images.conv(4, (3, 2), padding=(1, 0, 1, 1))
    images.norm()
    images.binarise("bipolar")
    images.dense(3)
    lowered, x = images.lower(tmp_path)
    bits = lowered.dataflow.encode(x).reshape(4, 8, 6, 2, 3)
    assert np.array_equal(bits, np.moveaxis(x, 1, 3)[..., None] >= levels)


@pytest.mark.parametrize("order", [[0, 2, 3, 1], [0, 3, 1, 2], None])
def test_flattening_in_any_order(tmp_path: Path, order: list[int] | None) -> None:
    images = _images(9)
    images.binarise("bipolar")
    images.conv(5, (3, 2))
    images.norm()
    images.binarise("bipolar")
    if order:
        images.add("Transpose", perm=order)
    images.dense(4)
    images.lower(tmp_path)


def test_channels_last_graphs(tmp_path: Path) -> None:
    """TensorFlow's exporters: elementwise nodes on (N, H, W, C), transposes around each Conv."""
    images = _images(10)
    graph = images.graph = Graph((1, 8, 6, 3))
    graph.add("Sub", np.float32([0.1, -0.2, 0.3]))
    graph.add("BipolarQuant", ONE)
    for channels in (4, 5):
        graph.add("Transpose", perm=[0, 3, 1, 2])
        images.conv(channels)
        graph.add("Transpose", perm=[0, 2, 3, 1])
        graph.add("Mul", images.rng.normal(0, 1, channels))
        graph.add("Add", images.rng.normal(0, 3, channels))
        graph.add("BipolarQuant", ONE)
    images.dense(3)
    images.lower(tmp_path)


def test_scales_before_a_sum(tmp_path: Path) -> None:
    """A power of two commutes with the sum; another factor rounds in it, and is named."""
    for factor, lifted in ((0.5, []), (0.3, [{"layer": "conv_1", "what": "scale before a sum"}])):
        images = _images(11)
        images.binarise("bipolar")
        images.conv(4)
        images.add("Mul", np.full((4, 1, 1), factor, np.float32))
        images.add("GlobalAveragePool")
        images.height, images.width = 1, 1
        images.add("Sub", np.float32(0.123))
        images.binarise("bipolar")
        images.dense(3)
        path = images.graph.save(tmp_path / "scale.onnx")
        assert lower_model(path, CONFIG).facts["lifted"] == lifted


@pytest.mark.parametrize(
    ("value", "pool", "lifted"),
    [
        (0.5, "AveragePool", []),
        (-3.0, "GlobalAveragePool", []),
        (0.1, "AveragePool", ["shift before a sum"]),
        (2.0**20, "AveragePool", []),
        (2.0**20, "GlobalAveragePool", ["shift before a sum"]),
    ],
)
def test_shifts_before_a_sum(tmp_path: Path, value: float, pool: str, lifted: list[str]) -> None:
    """A shift is added at every pixel, and the window's sum rounds unless all are on one grid."""
    images = _images(14)
    images.binarise("bipolar")
    images.conv(4)
    images.add("Add", np.full((4, 1, 1), value, np.float32))
    if pool == "AveragePool":
        images.pool("AveragePool")
    else:
        images.add(pool)
        images.height, images.width = 1, 1
    images.add("Add", np.float32(-value))
    images.binarise("bipolar")
    images.dense(3)
    facts = lower_model(images.graph.save(tmp_path / "shift.onnx"), CONFIG).facts
    assert facts["lifted"] == [{"layer": "conv_1", "what": what} for what in lifted]


@pytest.mark.parametrize(("step", "pooled"), [(2.0**-8, False), (2.0**-7, True), (2.0**-4, False)])
def test_biases_on_pixels(tmp_path: Path, step: float, pooled: bool) -> None:
    """Sums of 256 8-bit pixels take 16 bits and a sign; behind them an average sums up four."""
    images = _images(15, channels=64, height=3, width=3)
    images.add("Quant", ONE, np.float32(0), np.float32(8), signed=0, narrow=0)
    weights = bipolar(images.rng, 2, 64, 2, 2)
    images.add("Conv", weights, np.full(2, step, np.float32), name="fc")
    images.channels, images.height, images.width = 2, 2, 2
    if pooled:
        images.pool("AveragePool")
    images.binarise("bipolar")
    images.dense(3)
    facts = lower_model(images.graph.save(tmp_path / "bias.onnx"), CONFIG).facts
    whats = ["bias"] if step == 2.0**-8 else []
    whats += ["shift before a sum"] if pooled else []
    assert facts["lifted"] == [{"layer": "fc", "what": what} for what in whats]


def test_1x1_convolutions_have_no_window(tmp_path: Path) -> None:
    images = _images(12)
    images.binarise("bipolar")
    images.conv(6, (1, 1), groups=3)
    images.norm()
    images.binarise("bipolar")
    images.conv(4, (1, 1), stride=(2, 1))
    images.add("ReduceSum", np.array([2, 3], np.int64), keepdims=0)
    nodes = images.lower(tmp_path)[0].dataflow.nodes
    assert [type(node).__name__ for node in nodes] == [
        *("XnorMvu", "SlidingWindow", "XnorMvu", "SumPool", "Flatten"),
    ]


@pytest.mark.parametrize("what", ["order", "fill", "conjunction", "border"])
def test_a_wrong_dataflow_is_noticed(tmp_path: Path, what: str) -> None:
    """Rows, pixels or padding in another order are named by stream and node."""
    images = _images(13)
    images.binarise("bipolar")
    images.conv(6, padding=(1, 1, 1, 1), fill=-1.0 if what == "fill" else None)
    images.norm()
    images.binarise("bipolar")
    images.pool("MaxPool")
    images.dense(3)
    path = images.graph.save(tmp_path / "wrong.onnx")
    dataflow = lower_model(path, CONFIG).dataflow
    wrong = _spoil(dataflow, what)
    x = images.rng.standard_normal((20, 3, 8, 6)).astype(np.float32)
    with pytest.raises(MismatchError, match=r"pool_0|mvu_1"):
        check_original(wrong, Original.of(read(path), {}), [], x)


def _spoil(dataflow: Dataflow, what: str) -> Dataflow:
    import dataclasses

    nodes = list(dataflow.nodes)
    for index, node in enumerate(nodes):
        if what == "order" and isinstance(node, XnorMvu) and node.thresholds is None:
            planes = node.weights.reshape(3, -1, 6).transpose(0, 2, 1).reshape(3, -1)
            nodes[index] = dataclasses.replace(node, weights=planes)
        if what == "fill" and isinstance(node, SlidingWindow):
            nodes[index] = dataclasses.replace(node, fill=1)
        if what == "conjunction" and isinstance(node, MaxPool):
            nodes[index] = dataclasses.replace(node, conjunction=~node.conjunction)
        if what == "border" and isinstance(node, XnorMvu) and node.border is not None:
            nodes[index] = dataclasses.replace(node, border=np.zeros_like(node.border))
            assert node.thresholds is not None
            nodes[index] = dataclasses.replace(
                node, thresholds=np.repeat(node.thresholds[-1:], node.classes, axis=0)
            )
    return dataclasses.replace(dataflow, nodes=tuple(nodes))
