"""Folding: PE and SIMD per matrix-vector unit, from a throughput target or from a file.

A unit with PE rows and SIMD columns at a time takes (MH / PE)·(MW / SIMD) clock cycles per output
pixel. Windows, pools and converters follow the units.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge.cost import ceil_div
from bnnedge.dataflow import Dataflow, IntegerMvu, LutLayer, Node, Stream, XnorMvu
from bnnedge.errors import FoldingError, named
from bnnedge.files import load_json
from bnnedge.hardware.kernels import Fold as Fold
from bnnedge.hardware.kernels import Wanted, divisors, kernel_for
from bnnedge.names import shown

FOLDING_FILE = "folding.json"
MIN_AXIS_BITS = 32
_DEFAULT_FPS = 100_000.0
_DEFAULT_SYNAPSES = 1024
_MOST_INTERVAL = 2**62

# Weights of the cost model, in LUTs: only their ratios matter, and they only choose between
# foldings that all meet the target.
_LUTS_PER_SYNAPSE = 2.0
_LUTS_PER_ROW = 14.0
_LUTS_PER_UNROLLED_SYNAPSE = 0.8
_LUTS_PER_PIPELINE = 60.0  # a gate before it, and a FIFO of some 30 words behind
_LUTS_PER_PIPELINE_BIT = 3.5


Folding = Mapping[str, Fold]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A matrix-vector unit, with what its folding depends on.

    Attributes:
        node: its matrix.
        before: its input.
        after: its output.
        feeder: what feeds it, with inputs of its own, if that takes as many elements in a word.
        tables: it reads what tables make of an image in one cycle.
    """

    node: XnorMvu | IntegerMvu
    before: Stream
    after: Stream
    feeder: tuple[Node, Sequence[Stream]] | None
    tables: bool = False

    @property
    def rows(self) -> int:
        """Rows of a group, which PE divides."""
        return self.node.mh // self.node.groups

    @property
    def whole(self) -> Fold | None:
        """All rows and columns, unrolled; None: that cannot be."""
        folds = kernel_for(self.node).folds(self.node, (self.before,))
        return next((fold for fold in folds if fold.unrolled), None)

    def cycles(self, fold: Fold) -> int:
        """Clock cycles per image."""
        return kernel_for(self.node).of(self.node, (self.before,), fold).cycles_per_image


def layers_of(graph: Dataflow) -> tuple[Layer, ...]:
    """The matrix-vector units of a graph."""
    layers = []
    streams, sources = graph.streams(), graph.sources
    feeders: dict[str, tuple[Node, Sequence[Stream]]] = {}
    tables: set[str] = set()
    for node in graph.nodes:
        befores = [streams[name] for name in sources[node.name]]
        if node.is_wire(*befores):
            if tables.issuperset(sources[node.name]):
                tables.add(node.name)
        elif kernel_for(node).wanted is Wanted.READER:
            feeders[node.name] = node, befores
        elif isinstance(node, LutLayer) and befores[0].pixels == 1:
            tables.add(node.name)
    for unit in graph.mvus:
        (source,) = sources[unit.name]
        layers.append(
            Layer(
                node=unit,
                before=streams[source],
                after=streams[unit.name],
                feeder=feeders.get(source),
                tables=source in tables,
            )
        )
    return tuple(layers)


def choose_fold(node: Node, befores: Sequence[Stream], wanted: int | None, interval: int) -> Fold:
    """Elements in a word of anything but a matrix-vector unit; see `Wanted`.

    Args:
        node: the node.
        befores: its inputs.
        wanted: elements in a word that it gets if they keep it within `interval`.
        interval: clock cycles per image.
    """
    rule = kernel_for(node)
    folds = rule.folds(node, befores)
    for fold in (*(fold for fold in folds if fold.simd == wanted), *folds):
        if rule.of(node, befores, fold).cycles_per_image <= interval:
            return fold
    return folds[-1]


def interval_of(graph: Dataflow, folding: Folding) -> int:
    """Clock cycles per image of the slowest unit, or of the slowest other node at its widest."""
    units = [layer.cycles(folding[layer.node.name]) for layer in layers_of(graph)]
    return max(*units, *_least_cycles(graph, graph.nodes).values())


def axis_bits(bits: int, interval_cycles: int) -> int:
    """The narrowest AXI stream that passes `bits` per image in `interval_cycles`, from 32 up."""
    width = MIN_AXIS_BITS
    while ceil_div(bits, width) > interval_cycles:
        width *= 2
    return width


def read_folding(path: Path, graph: Dataflow) -> Folding:
    """Read {"<node>": {"PE": p, "SIMD": s}} for exactly the matrix-vector units of `graph`.

    Raises:
        FoldingError: unreadable, a node is unknown or missing, or PE and SIMD do not divide.
    """
    folding = load_folding(path)
    layers = {layer.node.name: layer for layer in layers_of(graph)}
    if set(folding) != set(layers):
        raise FoldingError(
            f"{path}: wanted the nodes {', '.join(layers)}, got {', '.join(folding)}",
            remedy="give PE and SIMD of every matrix-vector unit by the name that it has in the"
            " Dataflow, and nothing else; Defaults may be there if it is {}",
        )
    for name, layer in layers.items():
        require = _require_whole if folding[name].unrolled else _require_divisors
        require(path, layer, folding[name])
    return {name: folding[name] for name in layers}


def load_folding(path: Path) -> Folding:
    """Read {"<node>": {"PE": p, "SIMD": s}} for whatever network it is meant.

    `"unrolled": true` beside them makes weights logic, instead of the contents of memories.

    An empty "Defaults" beside them, which FINN's folding files have, says nothing and is taken.

    Raises:
        FoldingError: unreadable, or PE or SIMD are no numbers of at least 1.
    """
    record = load_json(path, raises=FoldingError)
    if not isinstance(record, dict):
        raise FoldingError(f"{path}: wanted the nodes of a network, got {type(record).__name__}")
    if record.get("Defaults") == {}:
        record = {name: fold for name, fold in record.items() if name != "Defaults"}
    for name, fold in record.items():
        where = f"{path}: {shown(name)}"
        if not isinstance(fold, dict) or set(fold) - {"unrolled"} != {"PE", "SIMD"}:
            raise FoldingError(
                f'{where}: wanted {{"PE": p, "SIMD": s}}, got {shown(str(fold))}',
                remedy='give both; "unrolled": true may be beside them, and nothing else',
            )
        for what in ("PE", "SIMD"):
            if type(fold[what]) is not int or fold[what] < 1:
                got = repr(fold[what])[:80]
                raise FoldingError(f"{where}: wanted {what} of 1 or more, got {got}")
        if fold.get("unrolled", True) is not True:
            got = repr(fold["unrolled"])[:80]
            raise FoldingError(f"{where}: wanted unrolled to be true or not there, got {got}")
    return {
        name: Fold(pe=fold["PE"], simd=fold["SIMD"], unrolled="unrolled" in fold)
        for name, fold in record.items()
    }


def _require_divisors(path: Path, layer: Layer, fold: Fold) -> None:
    rows = "MH" if layer.node.groups == 1 else "MH/groups"
    for what, value, size, of in (
        ("PE", fold.pe, layer.rows, rows),
        ("SIMD", fold.simd, layer.node.mw, "MW"),
    ):
        if size % value:
            raise FoldingError(
                f"{path}: {layer.node.name}: wanted {what} that divides {of}={size}, got {value}",
                remedy=f"choose one of {', '.join(map(str, divisors(size)))}",
            )


def _require_whole(path: Path, layer: Layer, fold: Fold) -> None:
    """Raises FoldingError unless an unrolled layer can be, and is given, all rows and columns."""
    whole = layer.whole
    if whole is None:
        raise FoldingError(
            f"{path}: {layer.node.name} cannot be unrolled: only 1-bit inputs can, without padding"
            " that is exactly zero",
            remedy="give it PE and SIMD alone",
        )
    if fold != whole:
        raise FoldingError(
            f"{path}: {layer.node.name}: wanted PE {whole.pe} and SIMD {whole.simd} of an unrolled"
            f" layer, got {fold.pe} and {fold.simd}"
        )


def default_fps(graph: Dataflow, clock_mhz: float) -> float:
    """Images/s to aim at where nobody says: 100,000, or what 1,024 synapses at a time can do."""
    synapses = sum(layer.cycles(Fold(pe=1, simd=1)) for layer in layers_of(graph))
    cycles = max(ceil_div(synapses, _DEFAULT_SYNAPSES), *_fewest_cycles(graph).values())
    return min(_DEFAULT_FPS, clock_mhz * 1e6 / cycles)


def choose_folding(graph: Dataflow, *, target_fps: float, clock_mhz: float) -> Folding:
    """The cheapest folding with which every layer keeps up with `target_fps`.

    Layers are chosen together: a PE that the next layer's SIMD does not divide (or the other way
    round) costs a wider width converter. By dynamic programming over the PE of each layer, exact
    where layers are a chain; where they branch, a layer counts as the one before the next in order.

    Raises:
        FoldingError: no folding is fast enough; names what is too slow.
    """
    # A hair of tolerance: 100 MHz / 1 µs must be 100 cycles, not 99.
    interval = math.floor(min(clock_mhz * 1e6 / target_fps * (1 + 1e-9), _MOST_INTERVAL))
    slowest, cycles = max(_fewest_cycles(graph).items(), key=lambda item: item[1])
    if interval < cycles:
        raise FoldingError(
            f"{named('target_fps')}: wanted {target_fps:g} images/s, at {clock_mhz:g} MHz {slowest}"
            f" does at most {clock_mhz * 1e6 / cycles:g}",
            remedy="lower the target or raise the clock",
        )
    # Best way so far by the width that the next layer receives.
    first = graph.input.stream
    width = axis_bits(first.elements * first.element.width_bits, interval)
    best: dict[int, tuple[float, tuple[Fold, ...]]] = {width: (0.0, ())}
    layers = layers_of(graph)
    for layer in layers:
        reached: dict[int, tuple[float, tuple[Fold, ...]]] = {}
        bits = layer.before.element.width_bits
        for fold in _candidates(layer, interval):
            lanes, own = _cost(layer, fold, interval)
            cost, folds = min(
                (
                    (
                        before + own + _converter_luts(width, lanes * bits),
                        folds,
                    )
                    for width, (before, folds) in best.items()
                ),
                key=lambda way: way[0],
            )
            if fold.pe not in reached or cost < reached[fold.pe][0]:
                reached[fold.pe] = (cost, (*folds, fold))
        best = reached
    _, folds = min(best.values(), key=lambda way: way[0])
    return {layer.node.name: fold for layer, fold in zip(layers, folds, strict=True)}


def _fewest_cycles(graph: Dataflow) -> dict[str, int]:
    """Cycles per image of everything at its fastest, by node."""
    return _least_cycles(graph, graph.mvus) | _least_cycles(graph, graph.nodes)


def _least_cycles(graph: Dataflow, nodes: Sequence[Node]) -> dict[str, int]:
    """Cycles per image of nodes with as many elements in a word as there can be, by node."""
    streams, sources = graph.streams(), graph.sources
    least = {}
    for node in nodes:
        befores = [streams[name] for name in sources[node.name]]
        if not node.is_wire(*befores):
            rule = kernel_for(node)
            widest = rule.folds(node, befores)[-1]
            least[node.name] = rule.of(node, befores, widest).cycles_per_image
    return least


def _candidates(layer: Layer, interval: int) -> list[Fold]:
    """For every PE, the smallest SIMD that meets the interval; and all at once, unrolled.

    Behind tables nothing else: to keep all their outputs for a slower layer costs more than it.
    """
    folds = []
    for pe in divisors(layer.rows):
        for simd in divisors(layer.node.mw):
            fold = Fold(pe=pe, simd=simd)
            if layer.cycles(fold) <= interval:
                folds.append(fold)
                break
    whole = layer.whole
    if whole is None or layer.cycles(whole) > interval:
        return folds
    return [whole] if layer.tables else [*folds, whole]


def _cost(layer: Layer, fold: Fold, interval: int) -> tuple[int, float]:
    """Lanes of the stream into the layer, and LUTs of what is behind it."""
    bits = layer.before.element.width_bits
    if fold.unrolled:
        cost = _LUTS_PER_UNROLLED_SYNAPSE * layer.node.weights.size + _LUTS_PER_PIPELINE
        cost += _LUTS_PER_PIPELINE_BIT * layer.after.channels * layer.after.element.width_bits
    else:
        cost = _LUTS_PER_SYNAPSE * bits * fold.pe * fold.simd + _LUTS_PER_ROW * fold.pe
    if layer.feeder is None:
        return fold.simd, cost
    lanes = choose_fold(*layer.feeder, fold.simd, interval).simd
    return lanes, cost + _converter_luts(lanes * bits, fold.simd * bits)


def _converter_luts(in_bits: int, out_bits: int) -> float:
    """LUTs of a `stream_width_converter`: buffer bits times the sources of each."""
    if in_bits == out_bits:
        return 0.0
    unit = math.gcd(in_bits, out_bits)
    sources = min(in_bits, out_bits) // unit
    return (in_bits + out_bits) * (1.0 + 0.5 * (sources - 1))


def folding_record(folding: Folding) -> dict[str, dict[str, int | bool]]:
    """What a folding file holds."""
    return {
        name: {"PE": fold.pe, "SIMD": fold.simd} | ({"unrolled": True} if fold.unrolled else {})
        for name, fold in folding.items()
    }
