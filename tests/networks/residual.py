"""A residual network of integers of a few bits."""

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    Add,
    Dataflow,
    ElementType,
    Flatten,
    IntegerEncoding,
    IntegerMvu,
    MultiThreshold,
    Node,
    OutputTable,
    PadChannels,
    SlidingWindow,
    SumPool,
    Threshold,
    Window,
    XnorMvu,
)


def random_quantiser(
    rng: np.random.Generator, name: str, channels: int, reach: int, *, bits: int = 4
) -> MultiThreshold:
    """A k-bit quantiser of integers up to ±`reach`: falling channels, ties, unreachable ends."""
    steps = (1 << bits) - 1
    rows = np.sort(rng.integers(-reach, reach + 1, (channels, steps)), axis=1)
    rows[:: max(2, channels // 2), : steps // 2] = -reach - 1
    rows[1 :: max(2, channels // 2), steps // 2 :] = reach + 1
    return MultiThreshold(
        name=name,
        thresholds=rows,
        invert=rng.random(channels) < 0.4,
        low=-(1 << (bits - 1)),
    )


def clamp(name: str, channels: int, *, bits: int = 4) -> MultiThreshold:
    """What keeps a stream of integers at `bits`."""
    half = 1 << (bits - 1)
    rows = np.tile(np.arange(1 - half, half), (channels, 1))
    return MultiThreshold(
        name=name, thresholds=rows, invert=np.zeros(channels, np.bool_), low=-half
    )


def random_residual(*, seed: int = 0) -> Dataflow:
    """8-bit images (6, 5, 2) through two residual blocks, the second of stride 2.

    Its shortcut takes every second pixel and new channels of zeros. Then sums, and a last layer.
    """
    rng = np.random.default_rng(seed)
    same = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    half = Window(kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1))
    inputs: dict[str, tuple[str, ...]] = {}

    def weights(mh: int, mw: int) -> NDArray[np.uint8]:
        rows = rng.integers(0, 2, (mh, mw), dtype=np.uint8)
        rows[0], rows[-1] = 1, 0
        return rows

    def block(number: int, before: str, channels: tuple[int, int], window: Window) -> list[Node]:
        """Sign, convolution, quantiser; a sum with the shortcut, clamped."""
        shortcut = before
        nodes: list[Node] = [
            Threshold(
                name=f"sign{number}",
                thresholds=rng.integers(-3, 4, channels[0]),
                invert=rng.random(channels[0]) < 0.3,
            ),
            SlidingWindow(name=f"window{number}", window=window),
            XnorMvu(name=f"mvu{number}", weights=weights(channels[1], 9 * channels[0])),
            random_quantiser(rng, f"quantise{number}", channels[1], 5 * channels[0]),
        ]
        inputs[nodes[0].name] = (before,)
        if window.stride != (1, 1):
            pixels = Window(kernel=(1, 1), stride=window.stride)
            shortcut = f"zeros{number}"
            nodes += [
                SlidingWindow(name=f"pixels{number}", window=pixels),
                PadChannels(name=shortcut, before=0, after=channels[1] - channels[0]),
            ]
            inputs[f"pixels{number}"] = (before,)
        nodes += [Add(name=f"add{number}"), clamp(f"clamp{number}", channels[1])]
        inputs[f"add{number}"] = (f"quantise{number}", shortcut)
        return nodes

    return Dataflow(
        name="random_residual",
        input=IntegerEncoding(
            name="uint8",
            input_shape=(2, 6, 5),
            output_shape=(6, 5, 2),
            source=np.arange(60, dtype=np.int32).reshape(2, 6, 5).transpose(1, 2, 0).reshape(-1),
            element=ElementType(width_bits=8),
            steps=np.arange(1, 256, dtype=np.float32)[None],
        ),
        nodes=(
            SlidingWindow(name="window0", window=same),
            IntegerMvu(name="mvu0", weights=weights(4, 18)),
            random_quantiser(rng, "quantise0", 4, 1500),
            *block(1, "quantise0", (4, 4), same),
            *block(2, "clamp1", (4, 8), half),
            SumPool(name="pool", window=Window(kernel=(3, 3))),
            Flatten(name="flatten"),
            IntegerMvu(name="mvu3", weights=weights(3, 8)),
        ),
        inputs=inputs,
        output=OutputTable(
            values=np.tile(np.arange(-1024, 1025, dtype=np.float32), (3, 1)),
            classes=False,
            low=-1024,
            step=1,
        ),
    )
