"""Weights and limits of matrices, as the engine's variants take them: the fields of an `op`.

Those of XNOR matrices come with the bytes that the operation keeps while it runs.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, IntegerMvu, XnorMvu
from bnnedge.emulator.library import Variant
from bnnedge.emulator.packed import pack_words

INTEGER_ROWS = 32  # of a block, in integers.h
_CHUNK, _REST = 64, 8  # carries that are counted together, in sliced.h


def for_slices(node: XnorMvu, taps: int, fill: int, variant: Variant) -> tuple[dict[str, Any], int]:
    """What sliced.h takes: the carries that a row picks, and its limits' digits, inverted."""
    groups, rows = node.groups, node.mh // node.groups
    carries = -(-node.mw // (2 * _REST)) * _REST
    pairs = np.pad(node.weights, ((0, 0), (0, 2 * carries - node.mw)))
    pairs = pairs.reshape(node.mh, carries, 2)
    odd = np.bitwise_xor.accumulate(pairs[:, :, 0] ^ pairs[:, :, 1], axis=1)
    before = np.pad(odd, ((0, 0), (1, 0)))[:, :-1]
    picks = (4 * (4 * before + 2 * pairs[:, :, 0] + pairs[:, :, 1])).astype(np.uint8)
    whole = carries // _CHUNK * _CHUNK
    each = picks.reshape(groups, rows, carries)
    chunks = each[:, :, :whole].reshape(groups, rows, -1, _CHUNK).transpose(0, 2, 1, 3)
    rest = each[:, :, whole:].reshape(groups, rows, -1, _REST).transpose(0, 2, 1, 3)
    weights = [chunks.reshape(groups, -1), rest.reshape(groups, -1)]
    digits = carries.bit_length()
    room = variant.lanes // 8 * (8 * _CHUNK + 2 + rows * digits) + 16 * carries
    fields: dict[str, Any] = {
        "width": node.mw // taps * groups,
        "weights": np.concatenate(weights, axis=1),
        "masks": variant.pack(odd[:, -1]),
        "fill": fill,
    }
    if node.thresholds is not None:
        limits = node.mw - node.thresholds.astype(np.int64)
        # A count exceeds what is negative in any case, and never one of all ones.
        most = (2 << digits) - 1
        digit = np.clip(limits, 0, most)[..., None] >> np.arange(digits + 1) & 1
        start = limits[..., None] < 0
        fields["thresholds"] = variant.pack(np.concatenate([start, 1 - digit], axis=-1))
    return fields, room


def for_words(node: XnorMvu, taps: int, fill: int, variant: Variant) -> tuple[dict[str, Any], int]:
    """What lanes.h takes: words of weights in blocks of rows, and limits."""
    groups, rows = node.groups, node.mh // node.groups
    per_group = node.mw // taps
    channels = per_group * groups
    units = variant.units(channels)
    masks = np.zeros((groups, channels), np.uint8)
    for group in range(groups):
        masks[group, group * per_group : (group + 1) * per_group] = 1
    unit_bits, block = variant.unit_bits, variant.row_block
    parts, weights, offset = [], [], 0
    for group in range(groups):
        low, high = group * per_group, (group + 1) * per_group
        first, end = low // unit_bits, -(-high // unit_bits)
        bits = np.zeros((rows, taps, channels), np.uint8)
        own = node.weights[group * rows : (group + 1) * rows]
        bits[:, :, low:high] = own.reshape(rows, taps, per_group)
        words = variant.pack(bits)[:, :, first:end].reshape(rows, -1)
        if variant.triples:
            whole = words.shape[1] // 3 * 3
            words[:, 2:whole:3] ^= words[:, 0:whole:3] ^ words[:, 1:whole:3]
        words = np.pad(words, ((0, -rows % block), (0, 0)))
        blocked = words.reshape(-1, block, words.shape[1]).transpose(0, 2, 1)
        if unit_bits == 8:  # offsets into the table of each nibble's mismatches
            wide = blocked.astype(np.uint16)
            blocked = (wide & 15) << 4 | (wide >> 4) << 12
        parts.append((first, end - first, offset))
        weights.append(np.ascontiguousarray(blocked).reshape(-1))
        offset += blocked.size
    fields: dict[str, Any] = {
        "width": units,
        "parts": np.array(parts, np.int64),
        "masks": variant.pack(masks),
        "fills": variant.pack(masks * fill),
        "weights": np.concatenate(weights),
    }
    if node.thresholds is not None:
        limits = node.mw - node.thresholds.astype(np.int64)
        fields["thresholds"] = limits.astype(f"<i{variant.limit_bits // 8}")
    return fields, 2 * taps * units * variant.lanes * unit_bits // 8


def without_zeros(node: XnorMvu, taps: int) -> XnorMvu:
    """Twice what a matrix with zeros gives, by ±1 on all of its taps twice.

    w = (a + b) / 2, with a = b = w where w is ±1, and a = 1, b = −1 where it is 0. So all counts
    are 2p + MW − n, for p of n columns.
    """
    assert node.magnitudes is not None
    counted = node.magnitudes > 0
    parts = [np.where(counted, node.weights, bit) for bit in (1, 0)]
    rows = [part.reshape(node.mh, taps, -1) for part in parts]
    thresholds = correction = None
    if node.thresholds is not None:
        counts = 2 * node.thresholds.astype(np.int64) + node.mw - node.sums
        thresholds = counts.clip(0, 2 * node.mw + 1).astype(np.int32)
    if node.correction is not None:
        correction = 2 * node.correction
    return dataclasses.replace(
        node,
        weights=np.concatenate(rows, axis=1).reshape(node.mh, -1).astype(np.uint8),
        magnitudes=None,
        thresholds=thresholds,
        correction=correction,
    )


def for_integers(node: IntegerMvu, element: ElementType) -> tuple[bool, dict[str, Any]]:
    """What integers.h takes, and whether its inputs are more than 16 bits wide."""
    groups, rows = node.groups, node.mh // node.groups
    values = node.values
    wide = element.smallest < -(1 << 15) or element.largest >= 1 << 15
    parts = np.zeros(groups, np.int64)
    if wide:
        weights: NDArray[Any] = values.astype(np.int8)
    else:
        blocks = -(-rows // INTEGER_ROWS)
        padded = np.zeros((groups, blocks * INTEGER_ROWS, node.mw + node.mw % 2), np.int16)
        padded[:, :rows, : node.mw] = values.reshape(groups, rows, node.mw)
        shape = (groups, blocks, INTEGER_ROWS, -1, 2)
        weights = padded.reshape(shape).transpose(0, 1, 3, 2, 4)
        parts = np.arange(groups) * (weights[0].size // 2)
    fields: dict[str, Any] = {"weights": weights, "parts": parts}
    if node.thresholds is not None and node.invert is not None:
        never = np.iinfo(np.int32).max
        fields["thresholds"] = np.pad(node.thresholds, (0, -node.mh % 64), constant_values=never)
        fields["flips"] = pack_words(node.invert.astype(np.uint8))
    return wide, fields
