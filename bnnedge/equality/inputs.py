"""A network's own inputs, before they are encoded: at the edges of their encoding."""

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import IntegerEncoding, ThresholdEncoding

_LARGEST = np.finfo(np.float32).max

Encoding = ThresholdEncoding | IntegerEncoding


def edge_inputs(encoding: Encoding, count: int, seed: int) -> NDArray[np.float32]:
    """Inputs (count, *input_shape) around the thresholds (or steps) of an encoding.

    The first one is below them all, the second above them all, the third has every element right
    at one of its own. Of the others every second one has each element at one of its own, or one
    float below or above it; the rest are random.
    """
    rng = np.random.default_rng(seed)
    levels = encoding.threshold if isinstance(encoding, ThresholdEncoding) else encoding.steps
    finite = levels[np.isfinite(levels)]
    if not finite.size:
        finite = np.zeros(1, np.float32)
    low = min(finite.min() - 1, np.nextafter(finite.min(), -_LARGEST))
    high = finite.max() + 1
    x = rng.uniform(low, high, (count, encoding.elements)).astype(np.float32)
    for index in range(2, count, 2):
        at, sources = _levels(encoding, rng)
        nearby = np.stack([at, np.nextafter(at, -_LARGEST), np.nextafter(at, _LARGEST)])
        which = rng.integers(0, 3, len(at)) * (index > 2)
        x[index, sources] = nearby[which, np.arange(len(at))]
    x[:1], x[1:2] = low, high
    return encoding.allowed(x.reshape(count, *encoding.input_shape))


def inputs_at_levels(
    encoding: Encoding, count: int, beside: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Inputs (count, *input_shape), each element at one of its own thresholds (or steps).

    Or, where `beside` is −1 or 1, one float below or above it.
    """
    x = np.zeros((count, encoding.elements), np.float32)
    for row in x:
        at, sources = _levels(encoding, rng)
        row[sources] = np.nextafter(at, np.float32(beside * _LARGEST)) if beside else at
    return encoding.allowed(x.reshape(count, *encoding.input_shape))


def _levels(
    encoding: Encoding, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A threshold or step of every output that has one, and the input element compared with it.

    In random order: of several outputs of one element the last one has its way.
    """
    order = rng.permutation(encoding.features)
    if isinstance(encoding, ThresholdEncoding):
        levels = encoding.threshold[order]
    else:
        columns = rng.integers(0, encoding.steps.shape[1], encoding.features)
        levels = encoding.steps[order % len(encoding.steps), columns]
    usable = np.isfinite(levels)
    return levels[usable], encoding.source[order][usable]


def inputs_for(encoding: Encoding, encoded: NDArray[np.integer]) -> NDArray[np.float32]:
    """Inputs (N, *input_shape) that are encoded as `encoded` (N, *output_shape) asks.

    Outputs of one input element may contradict each other; the last one has its way. What no
    input gives is as near as there is.
    """
    flat = encoded.reshape(len(encoded), -1)
    x = np.zeros((len(flat), encoding.elements), np.float32)
    if isinstance(encoding, ThresholdEncoding):
        usable = np.isfinite(encoding.threshold)
        below = np.nextafter(encoding.threshold, -_LARGEST)
        above = flat.astype(bool) ^ encoding.invert
        values = np.where(above, encoding.threshold, below)
        x[:, encoding.source[usable]] = values[:, usable]
        return encoding.allowed(x.reshape(-1, *encoding.input_shape))
    for row, steps in enumerate(encoding.steps):
        finite = steps[np.isfinite(steps)]
        if not finite.size:
            continue
        taken = int(np.isneginf(steps).sum())  # whatever the input is
        part = flat[:, row :: len(encoding.steps)] - encoding.element.smallest - taken
        part = part.clip(0, len(finite))
        below = np.nextafter(finite, -_LARGEST)
        values = np.concatenate([below[:1], finite])[part]
        # Every second one from the other end of what is encoded the same.
        values[:, 1::2] = np.concatenate([below, finite[-1:]])[part][:, 1::2]
        x[:, encoding.source[row :: len(encoding.steps)]] = values
    return encoding.allowed(x.reshape(-1, *encoding.input_shape))
