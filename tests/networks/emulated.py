"""Networks and inputs that take every path of the emulator."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    Add,
    Concat,
    Crop,
    Dataflow,
    ElementType,
    Flatten,
    IntegerEncoding,
    MaxPool,
    MultiThreshold,
    OutputTable,
    PadChannels,
    SlidingWindow,
    Threshold,
    Window,
    XnorMvu,
)
from tests.networks.chains import ChainMaker, bit_encoding, pixel_encoding
from tests.networks.mlp import adversarial_thresholds

_SAME = Window(kernel=(3, 3), padding=(1, 1, 1, 1))


def inputs_of(dataflow: Dataflow, count: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Inputs on thresholds, right below and above them, far away, and infinite."""
    rng = np.random.default_rng(seed)
    encoding = dataflow.input
    shape = (count, encoding.elements)
    thresholds = (
        encoding.steps if isinstance(encoding, IntegerEncoding) else encoding.threshold
    ).reshape(-1)
    thresholds = thresholds[np.isfinite(thresholds)]
    x = rng.choice(thresholds, shape).astype(np.float32)
    kind = rng.integers(0, 6, shape)
    x = np.where(kind == 1, np.nextafter(x, np.float32(-np.inf)), x)
    x = np.where(kind == 2, x + rng.normal(size=shape).astype(np.float32), x)
    x = np.where((kind == 3) & (rng.random(shape) < 0.1), np.float32(np.inf), x)
    x = np.where((kind == 4) & (rng.random(shape) < 0.1), np.float32(-np.inf), x)
    return x.astype(np.float32).reshape(count, *encoding.input_shape)


def cnv(channels: tuple[int, int, int] = (64, 128, 256), dense: int = 512) -> Dataflow:
    """BNN-PYNQ's CNV on 8-bit images (3, 32, 32)."""
    maker = ChainMaker(0, pixel_encoding((32, 32, 3), ElementType(width_bits=8)))
    pool = Window(kernel=(2, 2), stride=(2, 2))
    for index, width in enumerate(channels):
        maker.conv(width, Window(kernel=(3, 3)))
        maker.conv(width, Window(kernel=(3, 3)))
        if index < 2:
            maker.max_pool(pool)
    maker.flatten()
    maker.matrix(dense)
    maker.matrix(dense)
    maker.matrix(10, thresholded=False)
    return maker.finish(classes=False)


def padded_conv(seed: int, fill: int, *, exact_zeros: bool, magnitudes: int = 0) -> Dataflow:
    """Bits (6, 5, C), C around a word, through a padded, strided, dilated, grouped window."""
    rng = np.random.default_rng(seed)
    channels = int(rng.choice([1, 3, 8, 63, 64, 65, 130]))
    maker = ChainMaker(seed, bit_encoding((6, 5, channels)), magnitudes=magnitudes)
    window = Window(
        kernel=(2, 3),
        stride=(1, 2),
        dilation=(2, 1),
        padding=tuple(int(n) for n in rng.integers(0, 3, 4)),
    )
    groups = int(rng.choice([g for g in (1, 2, 5, channels) if channels % g == 0]))
    rows = groups * int(rng.integers(1, 12))
    maker.conv(rows, window, groups=groups, fill=fill, exact_zeros=exact_zeros)
    maker.conv(5, Window(kernel=(1, 1)), fill=fill, exact_zeros=exact_zeros, thresholded=False)
    maker.sum_pool(Window(kernel=maker.stream.shape[:2]))
    maker.flatten()
    return maker.finish(classes=False)


def few_bits(seed: int, *, pixels: bool, small: bool = False) -> Dataflow:
    """Matrices with magnitudes of many widths, on integers of few bits and on bits.

    Args:
        seed: of all that is drawn.
        pixels: whether the input is integers, up to 16 bits of them, or else bits.
        small: for hardware: fewer channels, and 4 bits of input.
    """
    rng = np.random.default_rng(seed)
    element = ElementType(
        width_bits=int(rng.choice([1, 2, 3, 4] if small else [2, 3, 4, 8, 16])),
        signed=bool(rng.random() < 0.6),
    )
    channels = rng.integers(1, 25) if small else rng.choice([1, 7, 63, 64, 65, 130, 200])
    shape = (1, 1, int(channels))
    maker = ChainMaker(
        seed, pixel_encoding(shape, element) if pixels else bit_encoding(shape), magnitudes=8
    )
    maker.flatten()
    for _ in range(int(rng.integers(1, 4))):
        groups = int(rng.choice([g for g in (1, 1, 2, 5) if maker.stream.channels % g == 0]))
        rows = groups * int(rng.integers(1, 7 if small else 80))
        maker.matrix(rows, groups=groups, thresholded=bool(rng.random() < (0.5 if small else 0.7)))
        if not maker.stream.element.bipolar:
            maker.levels(int(rng.integers(1, 16 if small else 8)))
    maker.matrix(int(rng.integers(1, 9)), thresholded=False)
    return maker.finish(classes=bool(rng.random() < 0.5))


def wide_pixels(*, signed: bool = False) -> Dataflow:
    """16-bit integers through matrices with and without thresholds."""
    maker = ChainMaker(3, pixel_encoding((4, 4, 2), ElementType(width_bits=16, signed=signed)))
    maker.conv(6, _SAME, groups=2)
    maker.flatten()
    maker.matrix(5, thresholded=False)
    return maker.finish(classes=True)


def quantised_pixels() -> Dataflow:
    """Reals with uneven steps of their own in each channel."""
    rng = np.random.default_rng(5)
    steps = np.sort(rng.normal(size=(2, 7)).astype(np.float32), axis=1)
    steps[0, 0], steps[1, -1] = -np.inf, np.inf
    encoding = pixel_encoding((4, 4, 2), ElementType(width_bits=3, signed=True))
    maker = ChainMaker(4, dataclasses.replace(encoding, steps=steps))
    maker.max_pool(Window(kernel=(2, 1), padding=(1, 0, 0, 0)))
    maker.conv(6, _SAME, fill=-2)
    maker.flatten()
    maker.matrix(5, thresholded=False)
    return maker.finish(classes=False)


def forks(seed: int, channels: int) -> Dataflow:
    """Bits and integers that fork and join: every node that only moves them, and sums of both."""
    rng = np.random.default_rng(seed)

    def flags(count: int) -> NDArray[np.bool_]:
        return rng.random(count) < 0.4

    def weights(rows: int, columns: int) -> NDArray[np.uint8]:
        return rng.integers(0, 2, (rows, columns), dtype=np.uint8)

    def matrix(name: str, rows: int, columns: int) -> XnorMvu:
        return XnorMvu(
            name=name,
            weights=weights(rows, columns),
            thresholds=adversarial_thresholds(rng, rows, columns),
            invert=flags(rows),
        )

    nodes = (
        SlidingWindow(name="shared", window=_SAME, fill=1),  # two readers: not fused
        matrix("first", channels, 9 * channels),
        matrix("second", 3, 9 * channels),
        Concat(name="bits"),
        Concat(name="more"),
        Crop(name="inner", top=1, left=2),
        XnorMvu(name="sums", weights=weights(4, 2 * channels + 3)),
        MultiThreshold(
            name="codes",
            thresholds=np.sort(rng.integers(-9, 10, (4, 5)), axis=1),
            invert=flags(4),
            low=-3,
        ),
        PadChannels(name="wider", before=2, after=1),
        SlidingWindow(name="moved", window=Window(kernel=(1, 1)), fill=2),
        Crop(name="same", top=0, left=0),
        Concat(name="integers"),
        Threshold(name="signs", thresholds=rng.integers(-2, 3, 14), invert=flags(14)),
        Add(name="added", factors=(-3, 2)),
        MaxPool(name="most", window=Window(kernel=(2, 2), padding=(0, 0, 1, 1))),
        Threshold(name="ends", thresholds=rng.integers(-2, 3, 14), invert=flags(14)),
        matrix("four", 4, 14),
        Flatten(name="flat"),
        XnorMvu(name="last", weights=weights(4, 48)),
    )
    inputs = {
        "second": ("shared",),
        "bits": ("first", "second"),
        "more": ("bits", "input"),
        "inner": ("more",),
        "moved": ("wider",),
        "same": ("wider",),
        "integers": ("moved", "same"),
        "added": ("integers", "signs"),
    }
    values = np.tile(np.arange(-48, 49, 2, dtype=np.float32), (4, 1))
    output = OutputTable(values=values, classes=False, low=-48)
    return Dataflow(
        name="forks",
        input=bit_encoding((5, 5, channels)),
        nodes=nodes,
        inputs=inputs,
        output=output,
    )
