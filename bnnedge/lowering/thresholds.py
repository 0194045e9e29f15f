"""Thresholds by enumeration: a layer has few enough accumulators to try them all.

The original float nodes are run on every accumulator that can occur, in float32 and in their order.
Whatever they round, the threshold that comes out is theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, Window
from bnnedge.errors import LoweringError
from bnnedge.lowering.entries import Entry
from bnnedge.lowering.execute import Tensors
from bnnedge.lowering.indexed import Array, GraphNode
from bnnedge.lowering.layers import Layer
from bnnedge.lowering.regions import RegionProbe
from bnnedge.lowering.vocabulary import called

CHUNK_ELEMENTS = 1 << 23  # of float32, run at a time: bounds memory, not results
_MOST_LEVELS = 64
LARGEST_SUM = 1 << 24  # beyond, float32 sums of integers are not exact
_MOST_ACCUMULATORS = 1 << 29  # times channels: half a gigabyte of bits


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The integers that a region can begin with: low, low + step, …, high."""

    low: int
    high: int
    step: int

    @property
    def values(self) -> NDArray[np.int64]:
        """All of them."""
        return np.arange(self.low, self.high + 1, self.step)


def reach_of_layer(layer: Layer, entry: Entry, window: Window | None, table: bool) -> Reach:
    """What the regions behind a layer can begin with: with `window`, after sums over it.

    A superset, which costs little, where inputs are not symmetric, padding is an exact 0, or some
    channels have fewer synapses.

    Args:
        table: for the output table, which does not look at why a step is 1.

    Raises:
        LoweringError: a float32 sum of that many is not exact.
    """
    element, reach = entry.element, layer.reach
    largest = max(-element.least, element.most)
    low, high = -largest * reach, largest * reach
    odd_and_even = not element.bipolar or layer.is_uneven
    if entry.is_exact and entry.window is not None:
        odd_per_tap = reach // entry.window.taps % 2 == 1
        odd_and_even |= table or odd_per_tap or layer.is_sparse
    return _reach(layer.node, low, high, window, odd_and_even)


def reach_of_range(node: GraphNode, element: ElementType, window: Window | None) -> Reach:
    """The same of what any other point, `node`, makes: all integers of a type."""
    return _reach(node, element.least, element.most, window, True)


def _reach(
    node: GraphNode, low: int, high: int, window: Window | None, odd_and_even: bool
) -> Reach:
    if window is not None:
        low, high = low * window.taps, high * window.taps
        odd_and_even |= any(window.padding)
    if max(-low, high) >= LARGEST_SUM:
        raise LoweringError(
            f"{called(node)}: accumulators reach {max(-low, high)}, float32 sums are exact below"
            f" {LARGEST_SUM}",
            remedy="make the layer narrower, or its input of fewer bits",
        )
    return Reach(low=low, high=high, step=1 if odd_and_even else 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """What a region makes of all accumulators.

    Attributes:
        levels: the values of its result, sorted, a few more than two at most.
        codes: bool (rows, C), whether it is the highest level; None where there are more than two.
        falling: bool (pools, C): what enters the max-pool falls as the accumulator rises.
        uneven: the first (pool, channel) whose entry neither rises nor falls throughout, or None.
        zeros: per Sign node that sees an exact 0: the channels, the first channel and its row.
    """

    levels: Array
    codes: NDArray[np.bool_] | None
    falling: NDArray[np.bool_]
    uneven: tuple[int, int] | None
    zeros: dict[str, tuple[int, int, int]]


def survey(
    probe: RegionProbe, nodes: tuple[GraphNode, ...], tensor: str, result: str, reach: Reach
) -> Survey:
    """Run a region, `nodes`, on every accumulator, in chunks.

    Raises:
        LoweringError: there are too many accumulators.
    """
    values, channels = reach.values, probe.layouts[tensor].channels
    if len(values) * channels > _MOST_ACCUMULATORS:
        raise LoweringError(
            f"{tensor}: {len(values)} accumulators in {channels} channels are too many to try",
            remedy="make the layer narrower, or its input of fewer bits",
        )
    pieces: list[NDArray[np.bool_]] = []
    first: Array | None = None
    levels: Array = np.zeros(0, np.float32)
    rises: list[NDArray[np.bool_]] = []
    falls: list[NDArray[np.bool_]] = []
    last: list[Array] = []
    zeros: dict[str, tuple[NDArray[np.bool_], int, int]] = {}
    for chunk in chunks(probe, tensor, values):
        start, part = chunk.start, chunk.flat(result)
        levels = np.unique(np.concatenate([levels, np.unique(part)]))[:_MOST_LEVELS]
        first = part[:1, :1] if first is None else first
        if len(levels) <= 2:
            pieces.append(part == first)
        for index, entering in enumerate(chunk.pooled):
            joined = np.concatenate([last[index], entering]) if start else entering
            up = np.asarray((joined[1:] >= joined[:-1]).all(axis=0))
            down = np.asarray((joined[1:] <= joined[:-1]).all(axis=0))
            if start:
                rises[index], falls[index] = rises[index] & up, falls[index] & down
                last[index] = entering[-1:]
            else:
                rises, falls, last = [*rises, up], [*falls, down], [*last, entering[-1:]]
        for node in nodes:
            if node.op_type == "Sign":
                _note_zeros(zeros, node.name, chunk.flat(node.input[0]) == 0, start)
    uneven = None
    if rises:
        wrong = np.argwhere(~(np.array(rises) | np.array(falls)))
        uneven = (int(wrong[0][0]), int(wrong[0][1])) if wrong.size else None
    codes: NDArray[np.bool_] | None = None
    if len(levels) <= 2:
        codes = np.concatenate(pieces) ^ (first != levels[-1])
    return Survey(
        levels=levels,
        codes=codes,
        falling=np.array(
            [fall & ~rise for fall, rise in zip(falls, rises, strict=True)], np.bool_
        ).reshape(-1, channels),
        uneven=uneven,
        zeros={name: (int(seen.sum()), c, row) for name, (seen, c, row) in zeros.items()},
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """What a region makes of some of the integers.

    Attributes:
        start: the number of the first one.
        rows: how many they are.
        pooled: what enters each max-pool, (rows, C).
        made: every tensor by name, (rows, …).
    """

    start: int
    rows: int
    pooled: list[NDArray[np.float32]]
    made: Tensors

    def flat(self, tensor: str) -> Array:
        """A tensor as (rows, C)."""
        return self.made[tensor].reshape(self.rows, -1)


def chunks(probe: RegionProbe, tensor: str, values: NDArray[np.int64]) -> Iterator[Chunk]:
    """Run a region on `values` in all channels, some at a time."""
    channels = probe.layouts[tensor].channels
    size = max(1, CHUNK_ELEMENTS // (channels * probe.elements()))
    for start in range(0, len(values), size):
        part = values[start : start + size].astype(np.float32)
        grid = np.repeat(part[:, None], channels, axis=1)
        pooled, made = probe.run(tensor, grid)
        yield Chunk(start=start, rows=len(part), pooled=pooled, made=made)


def _note_zeros(
    zeros: dict[str, tuple[NDArray[np.bool_], int, int]],
    name: str,
    zero: NDArray[np.bool_],
    start: int,
) -> None:
    if not zero.any():
        return
    row, channel = (int(i) for i in np.argwhere(zero)[0])
    seen, first, at = zeros.get(name, (np.zeros(zero.shape[1], np.bool_), channel, start + row))
    zeros[name] = (seen | zero.any(axis=0), first, at)


def two_levels(values: Array, where: str) -> tuple[float, float]:
    """The two values that a binarised tensor takes, lower first.

    Raises:
        LoweringError: it takes more, or not ±s nor 0 and s.
    """
    finite = np.isfinite(values)
    levels = np.unique(values[finite])
    if not finite.all() and len(levels) <= 2:
        raise LoweringError(
            f"{where}: gives NaN or infinity",
            remedy="look for a division by 0, or a logarithm or root of it, in front of it",
        )
    if len(levels) == 1:  # constant: any second level will do
        level = float(levels[0])
        return (-abs(level), abs(level)) if level else (0.0, 1.0)
    if len(levels) != 2:
        shown = ", ".join(f"{level:.4g}" for level in levels[:4])
        raise LoweringError(
            f"{where}: not binarised, it takes {len(levels)} or more values ({shown}, …)",
            remedy="put one binariser (BipolarQuant, MultiThreshold, Sign) before every MatMul"
            " and Conv",
        )
    low, high = float(levels[0]), float(levels[1])
    if low not in (-high, 0.0) and high != 0.0:
        raise LoweringError(
            f"{where}: takes {low:.6g} and {high:.6g}, wanted ±s or 0 and s",
            remedy="put scales and shifts, as of a BatchNormalization, in front of the binariser",
        )
    return low, high


def threshold_of(
    bits: NDArray[np.bool_], reach: Reach, where: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Bits (rows, C) by accumulator → thresholds int64 (C,) and invert (C,).

    bit = (accumulator >= threshold) ^ invert. `reach.low` is always reached, beyond the highest
    never.

    Raises:
        LoweringError: names the channel that switches more than once.
    """
    switches = bits[1:] != bits[:-1]
    twice = np.flatnonzero(switches.sum(axis=0) > 1)
    if twice.size:
        channel = int(twice[0])
        at = reach.values[1 + np.flatnonzero(switches[:, channel])[:3]]
        raise LoweringError(
            f"{where}: channel {channel} is not monotone, it switches at the accumulators"
            f" {', '.join(map(str, at))}",
            remedy="one threshold cannot express it",
        )
    invert = bits[0] & ~bits[-1]
    first = switches.argmax(axis=0) + 1
    constant = np.where(bits[0], 0, len(bits))
    rows = np.where(switches.any(axis=0), first, constant)
    return reach.low + reach.step * rows, invert.astype(np.bool_)
