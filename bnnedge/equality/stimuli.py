"""Encoded inputs at which hardware goes wrong, one set for every check of any network."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow, MultiThreshold, SlidingWindow, Stream, Threshold, XnorMvu

_MOST_PRODUCTS = 1 << 29  # of candidates for a tie, in the Dataflow
_CANDIDATES = 8  # for each one that is taken

Integers = NDArray[np.int64]


def stimuli(dataflow: Dataflow, count: int, seed: int) -> NDArray[Any]:
    """Encoded inputs (count, *input.output_shape): hard ones, up to half of them, then others.

    Hard are the least and the greatest value everywhere, both alternations of the two, and, row by
    row of the first layer, inputs that put its accumulator right at its thresholds, right below
    and right above them, as far as it reaches, and at its two ends; on a feature map they are
    tiled. Of the others an eighth are those, of more, whose best two classes are nearest to a tie;
    the rest are random, integers also near zero, where sums of them cancel.

    Returns:
        uint8 bits, or int32 integers of the input's type.
    """
    stream = dataflow.input.stream
    hard = np.stack(list(itertools.islice(_hard(dataflow, stream, seed), max(1, count // 2))))
    rest = _random(stream, count - len(hard), np.random.default_rng(seed))
    ties = _near_ties(dataflow, stream, len(rest) // 8, np.random.default_rng([seed, 1]))
    rest[len(rest) - len(ties) :] = ties
    values = np.concatenate([hard, rest])
    if stream.element.bipolar:
        return ((values + 1) // 2).astype(np.uint8).reshape(count, *stream.shape)
    return values.astype(np.int32).reshape(count, *stream.shape)


def _ends(stream: Stream) -> tuple[int, int]:
    """The least and the greatest number that an element stands for."""
    element = stream.element
    return (-1, 1) if element.bipolar else (element.smallest, element.largest)


def _random(stream: Stream, count: int, rng: np.random.Generator) -> Integers:
    low, high = _ends(stream)
    shape = (count, stream.elements)
    if stream.element.bipolar:
        return 2 * rng.integers(0, 1, shape, endpoint=True) - 1
    values = rng.integers(low, high, shape, endpoint=True)
    values[::4] = values[::4].clip(-2, 2)
    return values


def _hard(dataflow: Dataflow, stream: Stream, seed: int) -> Iterator[Integers]:
    """Flat numbers (F,), the ones that find the most first."""
    low, high = _ends(stream)
    first = np.full(stream.elements, low), np.full(stream.elements, high)
    probes = _probes(dataflow, stream, np.random.default_rng([seed, 2]))
    odd = np.arange(stream.elements) % 2
    alternating = np.where(odd, high, low), np.where(odd, low, high)
    yield from first
    yield from itertools.islice(probes, 3)
    yield from alternating
    if low < 0 < high and not stream.element.bipolar:
        yield np.zeros(stream.elements, np.int64)
    yield from probes


def _probes(dataflow: Dataflow, stream: Stream, rng: np.random.Generator) -> Iterator[Integers]:
    """Of every row of the first layer: at a threshold, below and above it, and at both ends."""
    first, mvu = dataflow.nodes[0], dataflow.mvus[0]
    windowed = isinstance(first, SlidingWindow) and first.groups == 1 and dataflow.nodes[1] is mvu
    if mvu.groups > 1 or not (windowed or mvu is first):
        return
    step = 2 if stream.element.bipolar else 1
    thresholds = _thresholds(dataflow)
    for row, weights in enumerate(mvu.values.astype(np.int64)):
        targets = []
        if thresholds is not None and thresholds[row].size:
            # Sums of an odd number of ±1 are odd: the first one that reaches the threshold.
            at = int(rng.choice(thresholds[row]))
            at += (at - int(mvu.sums[row])) % step
            targets = [at, at - step, at + step]
        reach = int(mvu.sums[row]) * max(map(abs, _ends(stream)))
        for target in [*targets, reach, -reach]:
            yield _tiled(_summing_to(target, weights, stream, rng), dataflow, stream)


def _thresholds(dataflow: Dataflow) -> Integers | None:
    """Of the first layer's dot products, (rows, thresholds each); None where there are none."""
    mvu = dataflow.mvus[0]
    if mvu.thresholds is not None:
        own = mvu.thresholds.astype(np.int64)
        if isinstance(mvu, XnorMvu):
            if mvu.border is not None:  # of the pixels that see no padding, which are the most
                own = own[np.bincount(mvu.border.ravel()).argmax()]
            own = 2 * own - mvu.sums
        return own[:, None]
    for node in dataflow.nodes:
        if mvu.name in dataflow.sources[node.name] and isinstance(node, Threshold | MultiThreshold):
            return node.thresholds.astype(np.int64).reshape(mvu.mh, -1)
    return None


def _summing_to(
    target: int, weights: Integers, stream: Stream, rng: np.random.Generator
) -> Integers:
    """Inputs (MW,) whose dot product with weights is `target`, or near it.

    The largest weights' inputs move first, as far as they can and the sum wants.
    """
    low, high = _ends(stream)
    start = _random(stream, 1, rng)[0]
    values: Integers = rng.permutation(np.resize(start, len(weights)))
    order = rng.permutation(len(values))
    sizes = np.abs(weights)
    for size in np.unique(sizes[sizes > 0])[::-1]:
        own = order[sizes[order] == size]
        missing = target - int(weights @ values)
        steps = np.sign(missing * weights[own])
        room = np.where(steps > 0, high - values[own], values[own] - low)
        before = np.cumsum(room) - room
        values[own] += steps * (abs(missing) // size - before).clip(0, room)
    return values


def _tiled(pattern: Integers, dataflow: Dataflow, stream: Stream) -> Integers:
    """What a row of the first layer sees, (MW,), all over the input, (F,)."""
    first = dataflow.nodes[0]
    if not isinstance(first, SlidingWindow):
        return np.tile(pattern, stream.elements // len(pattern))
    kernel = first.window.kernel
    patch = pattern.reshape(*kernel, stream.channels)
    height, width = stream.shape[:2]
    rows, columns = np.arange(height) % kernel[0], np.arange(width) % kernel[1]
    return patch[rows[:, None], columns].reshape(-1)


def _near_ties(
    dataflow: Dataflow, stream: Stream, count: int, rng: np.random.Generator
) -> Integers:
    """Random inputs (count, F) whose two best outputs are nearest; none where that takes long."""
    streams = dataflow.streams()
    products = sum(
        mvu.weights.size * (streams[mvu.name].elements // mvu.mh) for mvu in dataflow.mvus
    )
    candidates = min(_CANDIDATES * count, _MOST_PRODUCTS // products)
    if candidates <= count or len(dataflow.output.values) < 2:
        return np.zeros((0, stream.elements), np.int64)
    values = _random(stream, candidates, rng)
    bits = stream.element.bipolar
    encoded = ((values + 1) // 2).astype(np.uint8) if bits else values.astype(np.int32)
    sums = dataflow.accumulators_of(encoded.reshape(candidates, *stream.shape))
    best = np.sort(dataflow.output.logits(sums), axis=1)
    margins = best[:, -1] - best[:, -2]
    return values[np.argsort(margins, kind="stable")[:count]]
