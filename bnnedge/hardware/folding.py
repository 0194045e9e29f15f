"""Folding: PE and SIMD per layer, from a throughput target or from a file.

A layer with PE rows and SIMD columns at a time takes (MH / PE)·(MW / SIMD) clock cycles per image.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge.dataflow import XnorMvu
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels import ceil_div, divisors

FOLDING_FILE = "folding.json"
MIN_AXIS_BITS = 32

# Weights of the cost model, in LUTs: only their ratios matter, and they only choose between
# foldings that all meet the target.
_LUTS_PER_SYNAPSE = 2.0
_LUTS_PER_ROW = 14.0


@dataclass(frozen=True, kw_only=True)
class Fold:
    """PE rows and SIMD columns at a time."""

    pe: int
    simd: int


Folding = Mapping[str, Fold]


def axis_bits(bits: int, interval_cycles: int) -> int:
    """The narrowest AXI stream that passes `bits` per image in `interval_cycles`, from 32 up."""
    width = MIN_AXIS_BITS
    while ceil_div(bits, width) > interval_cycles:
        width *= 2
    return width


def read_folding(path: Path, layers: Sequence[XnorMvu]) -> Folding:
    """Read {"<node>": {"PE": p, "SIMD": s}} for exactly `layers`.

    Raises:
        FoldingError: unreadable, a node is unknown or missing, or PE and SIMD do not divide.
    """
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise FoldingError(f"{path}: not a readable JSON file ({error})") from error
    names = [layer.name for layer in layers]
    if not isinstance(record, dict) or set(record) != set(names):
        got = ", ".join(record) if isinstance(record, dict) else type(record).__name__
        raise FoldingError(f"{path}: wanted the nodes {', '.join(names)}, got {got}")
    return {layer.name: _read_fold(path, layer, record[layer.name]) for layer in layers}


def _read_fold(path: Path, layer: XnorMvu, record: object) -> Fold:
    if not isinstance(record, dict) or set(record) != {"PE", "SIMD"}:
        raise FoldingError(f'{path}: {layer.name}: wanted {{"PE": p, "SIMD": s}}, got {record}')
    for what, size, of in (("PE", layer.mh, "MH"), ("SIMD", layer.mw, "MW")):
        value = record[what]
        if type(value) is not int or value < 1 or size % value:
            raise FoldingError(
                f"{path}: {layer.name}: wanted {what} that divides {of}={size}, got {value!r}",
                remedy=f"choose one of {', '.join(map(str, divisors(size)))}",
            )
    return Fold(pe=record["PE"], simd=record["SIMD"])


def choose_folding(layers: Sequence[XnorMvu], *, target_fps: float, clock_mhz: float) -> Folding:
    """The cheapest folding with which every layer keeps up with `target_fps`.

    Layers are chosen together: a PE that the next layer's SIMD does not divide (or the other way
    round) costs a wider width converter. Exact, by dynamic programming over the PE of each layer.

    Raises:
        FoldingError: more than one image per clock cycle is wanted.
    """
    # A hair of tolerance: 100 MHz / 1 µs must be 100 cycles, not 99.
    interval = math.floor(clock_mhz * 1e6 / target_fps * (1 + 1e-9))
    if interval < 1:
        raise FoldingError(
            f"target_fps: wanted {target_fps:g} images/s, at {clock_mhz:g} MHz a layer does at most"
            f" {clock_mhz * 1e6:g}",
            remedy="lower the target or raise the clock",
        )
    # Best way so far by the width that the next layer receives.
    width = axis_bits(layers[0].mw, interval)
    best: dict[int, tuple[float, tuple[Fold, ...]]] = {width: (0.0, ())}
    for layer in layers:
        reached: dict[int, tuple[float, tuple[Fold, ...]]] = {}
        for fold in _candidates(layer, interval):
            own = _LUTS_PER_SYNAPSE * fold.pe * fold.simd + _LUTS_PER_ROW * fold.pe
            cost, folds = min(
                (
                    (before + own + _converter_luts(bits, fold.simd), folds)
                    for bits, (before, folds) in best.items()
                ),
                key=lambda way: way[0],
            )
            if fold.pe not in reached or cost < reached[fold.pe][0]:
                reached[fold.pe] = (cost, (*folds, fold))
        best = reached
    _, folds = min(best.values(), key=lambda way: way[0])
    return {layer.name: fold for layer, fold in zip(layers, folds, strict=True)}


def _candidates(layer: XnorMvu, interval: int) -> list[Fold]:
    """For every PE, the smallest SIMD that meets the interval."""
    folds = []
    for pe in divisors(layer.mh):
        for simd in divisors(layer.mw):
            if (layer.mh // pe) * (layer.mw // simd) <= interval:
                folds.append(Fold(pe=pe, simd=simd))
                break
    return folds


def _converter_luts(in_bits: int, out_bits: int) -> float:
    """LUTs of a `stream_width_converter`: buffer bits times the sources of each."""
    if in_bits == out_bits:
        return 0.0
    unit = math.gcd(in_bits, out_bits)
    sources = min(in_bits, out_bits) // unit
    return (in_bits + out_bits) * (1.0 + 0.5 * (sources - 1))
