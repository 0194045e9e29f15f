"""Windows, pools and matrix-vector units on feature maps, against torch's convolutions."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bnnedge.dataflow import (
    BIPOLAR,
    ElementType,
    Flatten,
    IntegerMvu,
    MaxPool,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    Window,
    XnorMvu,
)
from bnnedge.errors import DataflowError

WINDOWS = [
    Window(kernel=(1, 1)),
    Window(kernel=(3, 3), padding=(1, 1, 1, 1)),
    Window(kernel=(3, 2), stride=(2, 1), padding=(0, 1, 2, 0)),
    Window(kernel=(2, 3), dilation=(2, 1)),
    Window(kernel=(3, 3), stride=(2, 2), dilation=(1, 2), padding=(2, 2, 2, 2)),
]
UINT8 = ElementType(width_bits=8)


def convolve(
    x: NDArray[np.int64], weights: NDArray[np.int64], window: Window, fill: int, groups: int
) -> NDArray[np.int64]:
    """Torch's convolution of (N, H, W, C) with weights (MH, kh, kw, C / groups), in float64."""
    top, left, bottom, right = window.padding
    images = torch.from_numpy(x.astype(np.float64)).permute(0, 3, 1, 2)
    images = functional.pad(images, (left, right, top, bottom), value=float(fill))
    out = functional.conv2d(
        images,
        torch.from_numpy(weights.astype(np.float64)).permute(0, 3, 1, 2),
        stride=window.stride,
        dilation=window.dilation,
        groups=groups,
    )
    return out.permute(0, 2, 3, 1).numpy().astype(np.int64)


def shape_of(window: Window, channels: int, element: ElementType) -> Stream:
    return SlidingWindow(name="w", window=window).output_stream(
        Stream(shape=(9, 7, channels), element=element)
    )


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("fill", [0, 1])
def test_binary_convolution(window: Window, groups: int, fill: int) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (3, 9, 7, 4), dtype=np.uint8)
    weights = rng.integers(0, 2, (8, *window.kernel, 4 // groups), dtype=np.uint8)
    weights[0], weights[7] = 1, 0
    sliding = SlidingWindow(name="w", window=window, fill=fill, groups=groups)
    mvu = XnorMvu(name="m", weights=weights.reshape(8, -1), groups=groups)
    wanted = convolve(
        2 * bits.astype(np.int64) - 1,
        2 * weights.astype(np.int64) - 1,
        window,
        2 * fill - 1,
        groups,
    )
    got = mvu.run(sliding.run(bits))
    assert np.array_equal(got, wanted)
    stream = sliding.output_stream(Stream(shape=(9, 7, 4), element=BIPOLAR))
    assert mvu.output_stream(stream).shape == got.shape[1:]


@pytest.mark.parametrize("window", [w for w in WINDOWS if any(w.padding)])
def test_exact_zero_padding_by_border_classes(window: Window) -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (2, 9, 7, 3), dtype=np.uint8)
    weights = rng.integers(0, 2, (5, *window.kernel, 3), dtype=np.uint8)
    inside = window.inside(9, 7)
    patterns, border = np.unique(inside.reshape(-1, window.taps), axis=0, return_inverse=True)
    signs = 2 * weights.astype(np.int64) - 1
    outside = (~patterns).astype(np.int64)
    correction = outside @ signs.sum(axis=3).reshape(5, -1).T  # padding counted as −1 there
    mvu = XnorMvu(
        name="m",
        weights=weights.reshape(5, -1),
        border=border.reshape(inside.shape[:2]),
        correction=correction,
    )
    wanted = convolve(2 * bits.astype(np.int64) - 1, signs, window, 0, 1)
    got = mvu.run(SlidingWindow(name="w", window=window).run(bits))
    assert np.array_equal(got, wanted)

    cut = rng.integers(-2, 3, 5)  # a bit per channel, at an accumulator of the zero-padded sum
    thresholds = np.clip(-(-(cut - correction + mvu.mw) // 2), 0, mvu.mw + 1)
    fused = XnorMvu(
        name="m",
        weights=mvu.weights,
        thresholds=thresholds,
        invert=np.array([0, 1, 0, 1, 0]),
        border=mvu.border,
    )
    bits_out = fused.run(SlidingWindow(name="w", window=window).run(bits))
    assert np.array_equal(bits_out, (wanted >= cut) ^ np.array([0, 1, 0, 1, 0], bool))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(
    "element", [UINT8, ElementType(width_bits=4, signed=True)], ids=["uint8", "int4"]
)
def test_integer_inputs(window: Window, element: ElementType) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(element.smallest, element.largest + 1, (3, 9, 7, 3), dtype=np.int32)
    x[0], x[1] = element.largest, element.smallest
    weights = rng.integers(0, 2, (4, *window.kernel, 3), dtype=np.uint8)
    weights[0], weights[1] = 1, 0
    values = SlidingWindow(name="w", window=window).run(x)
    wanted = convolve(x, 2 * weights.astype(np.int64) - 1, window, 0, 1)
    mvu = IntegerMvu(name="m", weights=weights.reshape(4, -1))
    assert np.array_equal(mvu.run(values), wanted)
    assert np.abs(wanted).max() <= mvu.accumulator_limit(element)
    cut = np.array([0, 1, -5, 7])
    fused = IntegerMvu(name="m", weights=mvu.weights, thresholds=cut, invert=np.array([0, 0, 1, 1]))
    assert np.array_equal(fused.run(values), (wanted >= cut) ^ np.array([0, 0, 1, 1], bool))
    assert fused.output_stream(shape_of(window, 3, element)).element == BIPOLAR


@pytest.mark.parametrize("window", [w for w in WINDOWS if w.kernel != (3, 2)])
def test_pooling_bits_is_pooling_accumulators_before_the_threshold(window: Window) -> None:
    rng = np.random.default_rng(3)
    accumulators = rng.integers(-3, 4, (4, 9, 7, 6))
    invert = np.array([False, True] * 3)
    threshold = Threshold(name="t", thresholds=np.arange(-2, 4), invert=invert)
    pooled = window.view(accumulators, -100).max(axis=(3, 4))
    pool = MaxPool(name="p", window=window, conjunction=invert)
    assert np.array_equal(pool.run(threshold.run(accumulators)), threshold.run(pooled))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
def test_padding_never_wins_a_maximum(window: Window, dtype: type[np.integer[Any]]) -> None:
    if not window.inside(9, 7).any(axis=2).all():
        pytest.skip("a window sees nothing but padding")
    x = np.random.default_rng(4).integers(-9, 0, (2, 9, 7, 3))
    element = ElementType(width_bits=5, signed=True)
    if dtype is np.uint8:
        x, element = x + 9, ElementType(width_bits=4)
    pool = MaxPool(name="p", window=window)
    assert pool.output_stream(Stream(shape=(9, 7, 3), element=element)).element == element
    got = pool.run(x.astype(dtype))
    assert got.dtype == dtype
    top, left, _, _ = window.padding
    for row, column in np.ndindex(*got.shape[1:3]):
        rows = [row * window.stride[0] - top + i * window.dilation[0] for i in range(9)]
        columns = [column * window.stride[1] - left + i * window.dilation[1] for i in range(9)]
        rows = [r for r in rows[: window.kernel[0]] if 0 <= r < 9]
        columns = [c for c in columns[: window.kernel[1]] if 0 <= c < 7]
        assert (got[:, row, column] == x[:, rows][:, :, columns].max(axis=(1, 2))).all()


@pytest.mark.parametrize("window", WINDOWS)
def test_sum_pool(window: Window) -> None:
    x = np.random.default_rng(4).integers(-9, 10, (2, 9, 7, 3))
    ones = np.zeros((3, *window.kernel, 3), np.int64)
    for channel in range(3):
        ones[channel, :, :, channel] = 1
    pool = SumPool(name="p", window=window)
    assert np.array_equal(pool.run(x), convolve(x, ones, window, 0, 1))
    stream = pool.output_stream(
        Stream(shape=(9, 7, 3), element=ElementType(width_bits=5, signed=True))
    )
    assert stream.element.largest >= 16 * window.taps


def test_flatten_keeps_the_streams_order() -> None:
    x = np.arange(24).reshape(1, 2, 3, 4)
    assert Flatten(name="f").run(x).tolist() == [list(range(24))]


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (SlidingWindow(name="n", window=Window(kernel=(10, 1))), "10 x 1 does not fit"),
        (SlidingWindow(name="n", window=Window(kernel=(0, 1))), "is no window"),
        (SlidingWindow(name="n", window=Window(kernel=(1, 1)), groups=3), "into 3 groups"),
        (SlidingWindow(name="n", window=Window(kernel=(1, 1)), fill=2), "padding 2 is no BIPOLAR"),
        (SumPool(name="n", window=Window(kernel=(2, 2))), "wanted signed integers"),
        (MaxPool(name="n", window=Window(kernel=(2, 2)), conjunction=np.zeros(3)), "wanted 3"),
        (MaxPool(name="n", window=Window(kernel=(2, 2))), "wanted integers, got .* BIPOLAR"),
        (
            MaxPool(
                name="n",
                window=Window(kernel=(1, 1), padding=(1, 0, 0, 0)),
                conjunction=np.zeros(4),
            ),
            "nothing but padding",
        ),
        (IntegerMvu(name="n", weights=np.ones((2, 4))), "wanted integer inputs"),
        (XnorMvu(name="n", weights=np.ones((3, 2)), groups=2), "3 rows do not split"),
        (XnorMvu(name="n", weights=np.ones((2, 4)), border=np.zeros((2, 2))), "border class"),
        (XnorMvu(name="n", weights=np.ones((2, 4)), border=np.zeros((9, 7))), "want thresholds"),
        (XnorMvu(name="n", weights=np.ones((2, 4)), correction=np.zeros((1, 2))), "border classes"),
        (
            Threshold(name="n", thresholds=np.zeros(4), invert=np.zeros(4)),
            "wanted integers, got 9 x 7 x 4 BIPOLAR",
        ),
    ],
)
def test_misfits_are_named(node: SlidingWindow, text: str) -> None:
    with pytest.raises(DataflowError, match=text):
        node.output_stream(Stream(shape=(9, 7, 4), element=BIPOLAR))
