"""What cannot be lowered of networks on images is refused in one line that names the node."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bnnedge.errors import LoweringError
from bnnedge.lowering import LoweringConfig, lower_model
from tests.lowering.graphs import Graph, bipolar

ONE = np.float32([1])
RNG = np.random.default_rng(0)


def _images(kernel: tuple[int, ...] = (2, 3, 3, 3)) -> Graph:
    graph = Graph((1, 3, 6, 6))
    graph.add("BipolarQuant", ONE)
    graph.add("Conv", bipolar(RNG, *kernel), name="conv0")
    return graph


def _ended(graph: Graph, features: int) -> Graph:
    graph.add("BipolarQuant", ONE, name="sign0")
    graph.add("Flatten")
    graph.add("MatMul", bipolar(RNG, features, 2))
    return graph


def _float_first_convolution() -> Graph:
    graph = Graph((1, 3, 6, 6))
    graph.add("Mul", np.float32(1 / 255))
    graph.add("Conv", RNG.normal(0, 1, (2, 3, 3, 3)), name="conv_first")
    return _ended(graph, 32)


def _raw_pixels() -> Graph:
    graph = Graph((1, 3, 6, 6))
    graph.add("Conv", bipolar(RNG, 2, 3, 3, 3), name="conv_first")
    return _ended(graph, 32)


def _sixteen_bits() -> Graph:
    graph = Graph((1, 3, 6, 6))
    parameters = np.float32(1), np.float32(0), np.float32(16)
    graph.add("Quant", *parameters, signed=0, narrow=0, name="quant16")
    graph.add("Conv", bipolar(RNG, 2, 3, 3, 3))
    return _ended(graph, 32)


def _uneven_pixels() -> Graph:
    graph = Graph((1, 3, 6, 6))
    graph.add("Sub", RNG.normal(0, 40, (6, 6)))
    parameters = np.float32(1), np.float32(0), np.float32(8)
    graph.add("Quant", *parameters, signed=1, narrow=0, name="centred")
    graph.add("Conv", bipolar(RNG, 2, 3, 3, 3))
    return _ended(graph, 32)


def _residual_images() -> Graph:
    graph = _images()
    bits = graph.add("BipolarQuant", ONE)
    graph.add("Conv", bipolar(RNG, 2, 2, 3, 3), pads=[1, 1, 1, 1])
    graph.add("Add", bits, name="shortcut")
    return graph


def _transposed_convolution() -> Graph:
    graph = _images()
    graph.add("BipolarQuant", ONE)
    graph.add("ConvTranspose", bipolar(RNG, 2, 2, 2, 2), name="up")
    return graph


def _odd_padding() -> Graph:
    graph = _images()
    graph.add("BipolarQuant", ONE)
    sizes = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    graph.add("Pad", sizes, np.float32(0.5), mode="constant", name="half")
    graph.add("Conv", bipolar(RNG, 2, 2, 3, 3))
    return _ended(graph, 32)


def _reflected() -> Graph:
    graph = _images()
    graph.add("BipolarQuant", ONE)
    sizes = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    graph.add("Pad", sizes, mode="reflect", name="mirror")
    graph.add("Conv", bipolar(RNG, 2, 2, 3, 3))
    return _ended(graph, 32)


def _padded_pool() -> Graph:
    graph = _images()
    graph.add("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), name="frame")
    graph.add("MaxPool", kernel_shape=[2, 2])
    return graph


def _pool_of_input() -> Graph:
    graph = Graph((1, 3, 6, 6))
    graph.add("MaxPool", kernel_shape=[2, 2], strides=[2, 2], name="shrink")
    graph.add("BipolarQuant", ONE)
    graph.add("Conv", bipolar(RNG, 2, 3, 2, 2))
    return _ended(graph, 8)


def _average_without_padding() -> Graph:
    graph = _images()
    graph.add("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1], name="mean")
    return _ended(graph, 50)


def _pool_not_monotone() -> Graph:
    graph = _images()
    graph.add("Abs")
    graph.add("MaxPool", kernel_shape=[2, 2], name="loudest")
    graph.add("Sub", np.float32(100))
    return _ended(graph, 18)


def _several_outputs() -> Graph:
    return _images()


def _maximum_of_outputs() -> Graph:
    graph = _images()
    graph.add("GlobalMaxPool", name="loudest")
    return graph


def _norm_per_pixel() -> Graph:
    graph = _images()
    graph.add("Flatten")
    graph.add("Add", RNG.normal(0, 1, 32), name="bias_map")
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(RNG, 32, 2))
    return graph


def _one_dimensional() -> Graph:
    graph = Graph((1, 3, 6))
    graph.add("BipolarQuant", ONE)
    graph.add("Conv", bipolar(RNG, 2, 3, 3), name="conv1d")
    return graph


def _shuffled(*behind: str) -> Graph:
    """Channels 0, 1, 2, 3 become 0, 2, 1, 3, as ShuffleNet writes it."""
    graph = _images((4, 3, 3, 3))
    graph.add("Reshape", np.array([1, 2, 2, 4, 4], np.int64))
    graph.add("Transpose", perm=[0, 2, 1, 3, 4], name="shuffle")
    graph.add("Reshape", np.array([1, 4, 4, 4], np.int64))
    for op in behind:
        if op == "MaxPool":
            graph.add(op, kernel_shape=[1, 1], name="pool")
        else:
            graph.add(op, RNG.uniform(0.5, 2, (4, 1, 1)), name="scale")
    graph.add("BipolarQuant", ONE)
    graph.add("Conv", bipolar(RNG, 2, 4, 4, 4), name="conv1")
    graph.add("Flatten")
    return graph


def _shuffled_scale() -> Graph:
    return _shuffled("Mul")


def _shuffled_pool() -> Graph:
    return _shuffled("MaxPool")


def _transposed(*perm: int) -> Graph:
    graph = _images((4, 3, 3, 3))
    graph.add("BipolarQuant", ONE)
    graph.add("Transpose", perm=list(perm), name="turn")
    graph.add("Conv", bipolar(RNG, 2, 4, 4, 4), name="conv1")
    graph.add("Flatten")
    return graph


def _channels_left_last() -> Graph:
    return _transposed(0, 2, 3, 1)


def _swapped() -> Graph:
    return _transposed(0, 1, 3, 2)


def _scaled_channels() -> Graph:
    """What 8-bit pixels become by (x / 255 - mean) / std, with a std in each channel."""
    graph = Graph((1, 2, 4, 4))
    graph.add("Quant", np.float32(1), np.float32(0), np.float32(8), signed=0, narrow=0)
    graph.add("Sub", np.float32([[[110]], [[128]]]))
    graph.add("Div", np.float32([[[57]], [[63]]]), name="normalise")
    graph.add("Conv", bipolar(RNG, 3, 2, 4, 4))
    return graph


def _flattened_batch() -> Graph:
    graph = _images()
    graph.add("BipolarQuant", ONE)
    graph.add("Flatten", axis=0, name="flat")
    graph.add("MatMul", bipolar(RNG, 32, 2))
    return graph


def _mean_of_channels() -> Graph:
    graph = _images()
    graph.add("ReduceMean", axes=[1], name="mean")
    return _ended(graph, 16)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            _float_first_convolution,
            r"node conv_first.*not of few bits.*8 bits or less \(PixelInput",
        ),
        (_raw_pixels, r"input x, before node conv_first.*8 bits or less \(PixelInput"),
        (_sixteen_bits, r"node quant16 \(Quant\), before.*nor quantised to 8 bits or less"),
        (_uneven_pixels, r"node centred.*\(its places differ\)"),
        (_residual_images, r"node shortcut \(Add\): makes the graph's result, wanted a last layer"),
        (_transposed_convolution, r"node up \(ConvTranspose\): transposed convolutions cannot"),
        (_odd_padding, r"node half \(Pad\): pads with 0\.5, which is none of -1, 0, 1"),
        (_reflected, r"node mirror \(Pad\): mode reflect, wanted constant"),
        (_padded_pool, r"node frame \(Pad\): wanted an explicit Pad right before a Conv"),
        (_pool_of_input, r"node shrink \(MaxPool\): pools in front of a first layer that sees two"),
        (_average_without_padding, r"node mean.*its divisor depends on the place"),
        (_pool_not_monotone, r"node loudest \(MaxPool\): what it pools is not monotone"),
        (_shuffled, r"node shuffle \(Transpose\): shuffles the channels between layers — put the"),
        (
            _shuffled_scale,
            r"node shuffle .*shuffles the channels in front of node scale \(Mul\) — ",
        ),
        (
            _shuffled_pool,
            r"node shuffle .*shuffles the channels in front of node pool .* — put the",
        ),
        (
            _channels_left_last,
            r"node turn .*channels last in front of node conv1 .* — only a trans",
        ),
        (
            _swapped,
            r"node turn .*swapping height and width, in front of node conv1 .* — keep \(N, C",
        ),
        (
            _scaled_channels,
            r"node normalise \(Div\).*from .*, but with an offset, or with a sc.* — leave the no",
        ),
        (_flattened_batch, r"node flat \(Flatten\): flattens the batch, too — flatten from axis 1"),
        (
            _mean_of_channels,
            r"node mean .*height and width, got axes \[1\] — .*x\.mean\(\(2, 3\)\)",
        ),
        (_several_outputs, r"node conv0 \(Conv\): gives 16 pixels of 2 channels, wanted one"),
        (_maximum_of_outputs, r"node loudest.*a maximum of the outputs cannot be lowered"),
        (_norm_per_pixel, r"node bias_map \(Add\): its constants differ from pixel to pixel"),
        (_one_dimensional, r"node conv1d \(Conv\): gives 4 pixels of 2 channels, wanted one"),
    ],
)
def test_refused_by_name(tmp_path: Path, build: Callable[[], Graph], message: str) -> None:
    path = build().save(tmp_path / "foreign.onnx")
    with pytest.raises(LoweringError, match=message) as caught:
        lower_model(path, LoweringConfig())
    assert "\n" not in str(caught.value)
