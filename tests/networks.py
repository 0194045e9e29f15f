"""Small Dataflows for the tests of every stage, adversarial ones among them."""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    Add,
    ArgMax,
    Dataflow,
    ElementType,
    Flatten,
    IntegerEncoding,
    IntegerMvu,
    MaxPool,
    MultiThreshold,
    Node,
    OutputTable,
    PadChannels,
    ScoreTable,
    SlidingWindow,
    SumPool,
    Threshold,
    ThresholdEncoding,
    Window,
    XnorMvu,
)


def identity_encoding(features: int) -> ThresholdEncoding:
    """Input of ±1 reals, one bit each."""
    return ThresholdEncoding(
        name="sign",
        input_shape=(features,),
        output_shape=(features,),
        source=np.arange(features, dtype=np.int32),
        threshold=np.zeros(features, dtype=np.float32),
        invert=np.zeros(features, dtype=np.bool_),
    )


def adversarial_thresholds(rng: np.random.Generator, mh: int, mw: int) -> NDArray[np.int32]:
    """Thresholds of which a good part sit at the ends of [0, MW + 1]."""
    edges = np.array([0, 1, mw // 2, mw, mw + 1])
    near = rng.integers(max(0, mw // 2 - 2), mw // 2 + 3, mh).clip(0, mw + 1)
    return np.where(rng.random(mh) < 0.4, rng.choice(edges, mh), near).astype(np.int32)


def random_mlp(widths: tuple[int, ...], *, seed: int = 0, classes: bool = False) -> Dataflow:
    """A network input → hidden … → classes with adversarial rows.

    Rows of all ones and all zeros, equal rows (tied logits), saturated thresholds and inverted
    channels all occur.
    """
    rng = np.random.default_rng(seed)
    mvus = []
    for index, (mw, mh) in enumerate(itertools.pairwise(widths)):
        weights = rng.integers(0, 2, (mh, mw), dtype=np.uint8)
        weights[rng.random(mh) < 0.15] = 1
        weights[rng.random(mh) < 0.15] = 0
        weights[rng.integers(mh)] = weights[rng.integers(mh)]
        last = index == len(widths) - 2
        mvus.append(
            XnorMvu(
                name=f"mvu{index}",
                weights=weights,
                thresholds=None if last else adversarial_thresholds(rng, mh, mw),
                invert=None if last else rng.random(mh) < 0.3,
            )
        )
    mw = widths[-2]
    scale = np.arange(-mw, mw + 1, 2, dtype=np.float32) * np.float32(0.37) + np.float32(0.1)
    return Dataflow(
        name="random",
        input=identity_encoding(widths[0]),
        nodes=(*mvus, ArgMax(name="argmax")) if classes else tuple(mvus),
        output=OutputTable(values=np.tile(scale, (widths[-1], 1)), classes=classes, low=-mw),
    )


def with_class_scales(dataflow: Dataflow, *, seed: int = 0, k: int = 1) -> Dataflow:
    """`dataflow` with a scale and a bias per class at its end, and `k` classes found in hardware.

    Scales are negative, 0 and tiny, too; the first two classes are equal.
    """
    rng = np.random.default_rng(seed)
    end = len(dataflow.nodes) - len(dataflow.class_nodes)
    old = dataflow.output
    classes, columns = old.values.shape
    sums = old.low + old.step * np.arange(columns, dtype=np.float32)
    scale = rng.choice(np.float32([-2, -0.37, -0.0, 1e-3, 0.37, 1, 2]), (classes, 1))
    bias = rng.choice(np.float32([-1, 0, 0, 0.74, 4]), (classes, 1))
    scale[:2], bias[:2] = scale[0], bias[0]
    output = dataclasses.replace(old, values=sums * scale + bias, classes=True, k=k)
    scores = ScoreTable(name="scores", scores=output.scores(), low=old.low, step=old.step)
    return dataclasses.replace(
        dataflow,
        nodes=(*dataflow.nodes[:end], scores, ArgMax(name="argmax", k=k)),
        output=output,
    )


def random_inputs(dataflow: Dataflow, count: int, *, seed: int = 0) -> NDArray[np.float32]:
    """±1 inputs (count, F): all equal, the first layer's rows and their opposites, random."""
    rng = np.random.default_rng(seed)
    rows = 2.0 * dataflow.mvus[0].weights - 1
    features = dataflow.input.features
    special = np.concatenate([np.ones((1, features)), -np.ones((1, features)), rows, -rows])
    rest = rng.choice([-1.0, 1.0], (max(0, count - len(special)), features))
    return np.concatenate([special, rest])[:count].astype(np.float32)


def random_conv(*, seed: int = 0) -> Dataflow:
    """8-bit images (7, 6, 2) through every kind of node: windows with all paddings, pools, groups.

    Rows of all ones and all zeros, saturated thresholds and inverted channels all occur.
    """
    rng = np.random.default_rng(seed)

    def weights(mh: int, mw: int) -> NDArray[np.uint8]:
        rows = rng.integers(0, 2, (mh, mw), dtype=np.uint8)
        rows[0], rows[-1] = 1, 0
        return rows

    same = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    inside = same.inside(7, 6).reshape(-1, same.taps)
    border = np.unique(inside, axis=0, return_inverse=True)[1].reshape(7, 6).astype(np.int32)
    return Dataflow(
        name="random_conv",
        input=IntegerEncoding(
            name="uint8",
            input_shape=(2, 7, 6),
            output_shape=(7, 6, 2),
            source=np.arange(84, dtype=np.int32).reshape(2, 7, 6).transpose(1, 2, 0).reshape(-1),
            element=ElementType(width_bits=8),
            steps=np.arange(1, 256, dtype=np.float32)[None],
        ),
        nodes=(
            SlidingWindow(name="window0", window=same),
            IntegerMvu(
                name="mvu0",
                weights=weights(8, 18),
                thresholds=rng.integers(-300, 301, 8).astype(np.int32),
                invert=rng.random(8) < 0.4,
            ),
            SlidingWindow(name="window1", window=same, groups=2),
            XnorMvu(
                name="mvu1",
                weights=weights(6, 36),
                thresholds=np.stack(
                    [adversarial_thresholds(rng, 6, 36) for _ in range(border.max() + 1)]
                ),
                invert=rng.random(6) < 0.4,
                groups=2,
                border=border,
            ),
            MaxPool(
                name="pool1",
                window=Window(kernel=(2, 2), stride=(2, 2), padding=(0, 0, 1, 0)),
                conjunction=rng.random(6) < 0.4,
            ),
            XnorMvu(name="mvu2", weights=weights(5, 6)),
            SumPool(name="pool2", window=Window(kernel=(3, 2))),
            Threshold(
                name="threshold2",
                thresholds=rng.integers(-9, 10, 5).astype(np.int32),
                invert=rng.random(5) < 0.4,
            ),
            Flatten(name="flatten"),
            XnorMvu(name="mvu3", weights=weights(4, 20)),
        ),
        output=OutputTable(
            values=np.tile(np.arange(-20, 21, 2, dtype=np.float32) * np.float32(0.37), (4, 1)),
            classes=False,
            low=-20,
        ),
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
