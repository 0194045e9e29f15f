"""How elements move that are only rearranged, for any such node: the fields of an `op`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Stream, Window
from bnnedge.dataflow.nodes.base import MoveNode
from bnnedge.emulator.library import Variant


def origin_of(node: MoveNode, sources: Sequence[Stream]) -> NDArray[np.int64]:
    """For every element of the output its number among those of all inputs; -1: padding."""
    numbers, start = [], 1
    for source in sources:
        numbers.append(np.arange(start, start + source.elements).reshape(1, *source.shape))
        start += source.elements
    return node.moved(*numbers).reshape(-1) - 1


def of_integers(node: MoveNode, sources: Sequence[Stream]) -> dict[str, Any]:
    """For streams of integers, element by element."""
    origin = origin_of(node, sources)
    return {
        "map": origin.astype(np.int32),
        "map_length": len(origin),
        "depth": sources[0].elements,
        "fill": node.padding,
    }


def of_bits(
    node: MoveNode, sources: Sequence[Stream], target: Stream, variant: Variant
) -> dict[str, Any]:
    """For streams of bits, in runs of bits of a unit that move together."""
    origin = origin_of(node, sources)
    runs, masks = _runs(origin, sources, target, variant)
    padding = (origin < 0).reshape(target.pixels, target.channels) & bool(node.padding)
    return {
        "pixels": target.pixels,
        "out_width": variant.units(target.channels),
        "map": runs,
        "map_length": len(runs),
        "masks": masks,
        "fills": variant.pack(padding),
    }


def _runs(
    origin: NDArray[np.int64], sources: Sequence[Stream], target: Stream, variant: Variant
) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Bits that move together: (source, its unit, unit of the output, shift), and masks."""
    unit_bits, first = variant.unit_bits, sources[0].elements
    out = np.flatnonzero(origin >= 0)
    element = origin[out]
    second = element >= first
    element = element - np.where(second, first, 0)

    def place(element: NDArray[Any], channels: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        pixel, channel = np.divmod(element, channels)
        units = -(-channels // unit_bits)
        return pixel * units + channel // unit_bits, channel % unit_bits

    channels = np.where(second, sources[-1].channels, sources[0].channels)
    from_unit, from_bit = place(element, channels)
    to_unit, to_bit = place(out, target.channels)
    keys = np.stack([second, from_unit, to_unit, to_bit - from_bit], axis=1).astype(np.int32)
    starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)][: len(keys)])
    if variant.sliced:
        return keys[starts], variant.pack(np.ones(len(starts)))
    bits = (np.uint64(1) << to_bit.astype(np.uint64)).astype(f"<u{unit_bits // 8}")
    masks = np.bitwise_or.reduceat(bits, starts) if len(starts) else bits
    return keys[starts], masks


def taps_of(window: Window, stream: Stream) -> NDArray[np.int32]:
    """The pixels that each output pixel sees (OH · OW, taps), -1 for padding."""
    height, width, _ = stream.shape
    pixels = np.arange(height * width, dtype=np.int32).reshape(1, height, width, 1)
    return np.ascontiguousarray(window.view(pixels, -1).reshape(-1, window.taps))
