"""Fully connected networks, adversarial rows among them."""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    ArgMax,
    Dataflow,
    OutputTable,
    ScoreTable,
    ThresholdEncoding,
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


def random_magnitudes(rng: np.random.Generator, mh: int, mw: int, most: int) -> NDArray[np.uint8]:
    """Magnitudes up to `most`, which occurs; rows of 0 only, without 0, all alike, sparse ones."""
    magnitudes = rng.integers(1, most, (mh, mw), endpoint=True)
    magnitudes[rng.random(mh) < 0.1] = most
    magnitudes[rng.random((mh, mw)) < rng.choice([0, 0.1, 0.5, 0.95, 1], (mh, 1))] = 0
    magnitudes[rng.integers(mh), rng.integers(mw)] = most
    return magnitudes.astype(np.uint8)


def masked_thresholds(
    rng: np.random.Generator, thresholds: NDArray[np.int32], sums: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Of popcounts: half of `thresholds` (…, MH) moved to what rows of `sums` columns reach."""
    near = rng.choice([0, 1, 2], thresholds.shape)
    near = np.where(near == 0, sums, np.where(near == 1, sums + 1, sums // 2 + 1))
    return np.where(rng.random(thresholds.shape) < 0.5, near, thresholds).astype(np.int32)


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
