"""From the parts of a graph to points: what each region makes of every integer, in order.

Replaces FINN's BatchNormToAffine, Absorb{Add,Mul}IntoMultiThreshold, ConvertSignToThres and
RoundAndClipThresholds, which fold in float32 and then round the threshold up: at an accumulator
where the original's own rounding decides, the folded threshold is off by one.

A maximum of g(a), with g monotone, is g of the largest or of the smallest accumulator, so the bit
behind a max-pool is the OR or the AND of the bits of its window: the AND where g falls and the bit
rises with the accumulator, or the other way round.

Joins and pools of integers work on integers, too: each operand is an integer times its grid, a
power of two, and their sum one of integers times the finer grid.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, IntegerEncoding, ThresholdEncoding
from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.errors import LoweringError
from bnnedge.lowering.encoding import InputRegion, is_binarised
from bnnedge.lowering.entries import Entry, entry_of_integers, entry_of_levels
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.integers import Codes, Scale, run_all
from bnnedge.lowering.joins import Operand, join
from bnnedge.lowering.layers import Op, Step, read_layers
from bnnedge.lowering.layout import Layout
from bnnedge.lowering.notes import Lift, Notes
from bnnedge.lowering.points import (
    Bits,
    JoinPoint,
    LayerPoint,
    Levels,
    Link,
    Point,
    QuantiserPoint,
    Same,
    Solution,
)
from bnnedge.lowering.regions import RegionProbe, input_layout
from bnnedge.lowering.signs import choose_signs, input_bits
from bnnedge.lowering.structure import Kind, Region, Structure
from bnnedge.lowering.thresholds import (
    Reach,
    Survey,
    chunks,
    reach_of_layer,
    reach_of_range,
    survey,
    threshold_of,
    two_levels,
)
from bnnedge.lowering.vocabulary import MAX_POOLS, SUMS, called


@dataclass(frozen=True, kw_only=True, eq=False)
class _Start:
    """A point, as the regions behind it see it.

    Attributes:
        kind: what it is.
        entry: of a layer; else None.
        index: of a layer.
        element: of what any other point makes.
        steps: what the original does with the integers first.
        layout: how it arranges what it makes.
        is_map: whether that is a feature map.
        factors: of a sum.
    """

    kind: Kind
    entry: Entry | None = None
    index: int = -1
    is_behind_map: bool = False
    element: ElementType | None = None
    steps: tuple[Step, ...] = ()
    layout: Layout
    is_map: bool
    factors: tuple[int, ...] = ()


class Solver:
    """Solves one graph; call `solve` once.

    Args:
        model: tidy.
        structure: of it.
        sign_zero: the user's choice.
        notes: what is found on the way.
    """

    def __init__(
        self, model: IndexedModel, structure: Structure, sign_zero: SignZero, notes: Notes
    ) -> None:
        self._model, self._structure = model, structure
        self._sign_zero, self._notes = sign_zero, notes
        self._layers = read_layers(model, structure, notes)
        self._starts: dict[str, _Start] = {}
        self._operands: dict[tuple[str, int], Operand] = {}

    def solve(self) -> Solution:
        """Find all points.

        Raises:
            LoweringError: the input is neither one threshold per bit nor a quantiser; a region is
                no binariser, not monotone, or gives a Sign an exact 0; or what a join or a pool
                takes is no integer times a grid.
        """
        structure = self._structure
        encoding = self._input()
        # By name, in the order of the graph; quantisers come right behind what they quantise.
        nodes = {region.start.name: region.start for region in structure.regions}
        kinds = {region.start.name: region.kind for region in structure.regions}
        points: list[Point] = []
        waiting = [nodes[name] for name in reversed(nodes) if kinds[name] is not Kind.QUANTISER]
        while waiting:
            points.append(point := self._point(node := waiting.pop(), kinds[node.name]))
            # The last of several quantisers comes first.
            waiting += [
                link.region.sink
                for link in reversed(point.links)
                if link.is_quantiser and link.region.reader_kind is Kind.QUANTISER
            ]
        tail, reach = self._probe(structure.tail, {}, table=True)
        self._note_roundings(structure.tail, tail, reach)
        return Solution(encoding=encoding, points=tuple(points), tail=tail, reach=reach)

    def _point(self, node: GraphNode, kind: Kind) -> Point:
        if kind in (Kind.JOIN, Kind.POOL):
            self._join(node, kind)
        start = self._starts[node.name]
        links = [*self._links(self._structure.behind(node))]
        ordered = (
            *(link for link in reversed(links) if link.is_quantiser),
            *(link for link in links if not link.is_quantiser),
        )
        if start.entry is not None:
            return LayerPoint(
                index=start.index,
                layer=self._layers[start.index],
                entry=start.entry,
                is_behind_map=start.is_behind_map,
                links=ordered,
            )
        if kind is Kind.QUANTISER:
            return QuantiserPoint(node=node, links=ordered)
        return JoinPoint(node=node, factors=start.factors, links=ordered)

    def _links(self, regions: tuple[Region, ...]) -> Iterator[Link]:
        for region in regions:
            if region.reader is None:
                continue
            link = self._link(region)
            if link is None:  # a quantiser that takes two values only is no point
                followers = self._structure.behind(region.sink)
                yield from self._links(tuple(region.joined(other) for other in followers))
            else:
                yield link

    def _join(self, node: GraphNode, kind: Kind) -> None:
        operands: list[Operand] = []
        while (node.name, len(operands)) in self._operands:
            operands.append(self._operands[node.name, len(operands)])
        made = join(self._model, node, operands)
        shape = self._model.shape(node.output[0])
        self._starts[node.name] = _Start(
            kind=kind,
            element=made.element,
            steps=made.steps,
            layout=Layout.behind(node, shape),
            is_map=kind is Kind.POOL or len(shape) == 4,
            factors=made.factors,
        )

    def _input(self) -> ThresholdEncoding | IntegerEncoding:
        """The encoding, and what the first layers see."""
        model, structure = self._model, self._structure
        layout, is_map = input_layout(model, structure), bool(structure.input_pools)
        if is_binarised(model, structure):
            region, encoding = input_bits(model, structure, self._sign_zero, self._notes)
            for index in structure.first:
                self._enter_bits(index, (region.low, region.high), layout, is_map=is_map)
            return encoding
        region = InputRegion(model, Runner(model), structure)
        integers = region.integers()
        element = integers.element
        values = range(element.smallest, element.largest + 1)
        if region.offset.any():
            self._notes.offset = region.places()
        for index in structure.first:
            self._enter_integers(
                index, region.scale, values, element, layout, is_map=is_map, offset=region.offset
            )
        return integers

    def _enter_bits(
        self, index: int, levels: tuple[float, float], layout: Layout, *, is_map: bool
    ) -> None:
        pad, layer = self._structure.pads[index], self._layers[index]
        entry = entry_of_levels(self._model, layer, pad, levels, layout, self._notes)
        self._enter(index, entry, is_map)

    def _enter_integers(
        self,
        index: int,
        scale: np.float32,
        values: range,
        element: ElementType,
        layout: Layout,
        *,
        is_map: bool,
        offset: NDArray[np.float64] | None = None,
    ) -> None:
        pad, layer = self._structure.pads[index], self._layers[index]
        entry = entry_of_integers(
            self._model, layer, pad, scale, values, element, layout, self._notes, offset
        )
        self._enter(index, entry, is_map)

    def _enter(self, index: int, entry: Entry, is_map: bool) -> None:
        node = self._structure.layers[index]
        shape = self._model.shape(node.output[0])
        self._starts[node.name] = _Start(
            kind=Kind.LAYER,
            entry=entry,
            index=index,
            is_behind_map=is_map,
            steps=entry.steps,
            layout=Layout.behind(node, shape),
            is_map=len(shape) == 4,
        )

    def _probe(
        self, region: Region, signs: Mapping[str, float], table: bool = False
    ) -> tuple[RegionProbe, Reach]:
        """What a region does, and the integers or sums that it can begin with.

        Args:
            table: for the output table, see `reach_of_layer`.

        Raises:
            LoweringError: a sum is not right behind the layer.
        """
        start = self._starts[region.start.name]
        probe = RegionProbe(self._model, region, start.layout, start.steps, signs)
        sums = [pool for pool in region.pools if pool.op_type not in MAX_POOLS]
        if sums and (sums[0] is not region.pools[0] or len(sums) > 1):
            raise LoweringError(
                f"{called(sums[-1])}: wanted one sum or average, right behind"
                f" {called(region.start)}",
                remedy="put other pools behind it",
            )
        window = probe.windows[0] if sums else None
        if start.entry is not None:
            layer = self._layers[start.index]
            return probe, reach_of_layer(layer, start.entry, window, table)
        assert start.element is not None
        return probe, reach_of_range(region.start, start.element, window)

    def _note_roundings(self, region: Region, probe: RegionProbe, reach: Reach) -> None:
        limit = reach.high // (probe.windows[0].taps if probe.sums else 1)
        for lift in (Lift(layer=region.start.name, what=what) for what in probe.roundings(limit)):
            self._notes.lifted += [lift] if lift not in self._notes.lifted else []

    def _link(self, region: Region) -> Link | None:
        """What a region becomes; None where it ends in a quantiser that takes two values only."""
        nodes, reader, start = tuple(region), region.sink, self._starts[region.start.name]
        is_layer = region.reader_kind is Kind.LAYER
        is_sum = start.entry is not None and start.entry.tables is None
        if not nodes and not start.steps and is_sum and is_layer:
            raise LoweringError(
                f"{called(region.start)}: no binariser before {called(reader)}",
                remedy="put one binariser (BipolarQuant, MultiThreshold, Sign) between them",
            )
        where = called(nodes[-1] if nodes else region.start)
        if where != called(reader):
            where += f", before {called(reader)}"
        probe, reach = self._probe(region, {})
        if region.kind is Kind.LAYER:
            self._note_roundings(region, probe, reach)
        if is_layer or reader.op_type in SUMS:  # the one join that can have an operand of ±1
            tensor = region.start.output[0]
            found = survey(probe, nodes, tensor, region.tensor, reach)
            if (
                found.codes is None
                and is_layer
                and choose_signs(nodes, found, reach, self._sign_zero, self._notes)
            ):
                probe, _ = self._probe(region, self._notes.signs)
                found = survey(probe, nodes, tensor, region.tensor, reach)
            bits = len(found.levels) <= 2 and (
                is_layer or found.levels[0] == -found.levels[-1] != 0
            )
            if bits or (is_layer and not region.has_integers):
                return self._bits(region, probe, reach, found, where)
        return self._integers(region, probe, reach, where)

    def _bits(
        self, region: Region, probe: RegionProbe, reach: Reach, found: Survey, where: str
    ) -> Link:
        low, high = two_levels(found.levels, where)
        assert found.codes is not None
        bits = found.codes & (found.levels[-1] == np.float32(high))
        threshold, invert = threshold_of(bits, reach, where)
        if found.uneven is not None:
            pool = [pool for pool in region.pools if pool.op_type in MAX_POOLS][found.uneven[0]]
            raise LoweringError(
                f"{called(pool)}: what it pools is not monotone in the accumulator in channel"
                f" {found.uneven[1]}",
                remedy="a maximum of it is no maximum or minimum of accumulators",
            )
        windows = probe.windows[1:] if probe.sums else probe.windows
        pools = zip(windows, found.falling ^ invert, strict=True)
        link = Link(
            region=region,
            sum_window=probe.windows[0] if probe.sums else None,
            made=Bits(threshold=threshold, invert=invert, pools=tuple(pools)),
            grid=high,
        )
        if region.reader_kind is Kind.LAYER:
            index = self._structure.index_of(region.sink)
            is_map = self._starts[region.start.name].is_map
            self._enter_bits(index, (low, high), probe.layouts[region.tensor], is_map=is_map)
        else:
            self._take(link)
        return link

    def _integers(
        self, region: Region, probe: RegionProbe, reach: Reach, where: str
    ) -> Link | None:
        for pool in region.pools:
            if pool.op_type in MAX_POOLS:
                what = f"pools what is no integer, and {called(region.sink)} wants integers of it"
                raise LoweringError(
                    f"{called(pool)}: {what}",
                    remedy="quantise in front of the pool",
                )
        start, reader = self._starts[region.start.name], region.sink
        parts = chunks(probe, region.start.output[0], reach.values)
        codes = Codes.of(run_all(parts, region.tensor), where, self._scale_of(region))
        is_quantiser = region.reader_kind is Kind.QUANTISER
        grid = None if is_quantiser else codes.value_of_one(reach)
        made: Levels | Same
        if grid is None:
            rows, invert, low = codes.steps(reach, where)
            made, grid = Levels(thresholds=rows, invert=invert, low=low), codes.grid
            high = low + rows.shape[1]
        else:
            low, high = reach.low, reach.high
            made = Same(element=ElementType.holding(low, high))
        link = Link(
            region=region,
            sum_window=probe.windows[0] if probe.sums else None,
            made=made,
            grid=grid,
        )
        layout = probe.layouts[region.tensor]
        if is_quantiser:
            if high - low < 2:
                return None
            self._starts[reader.name] = _Start(
                kind=Kind.QUANTISER,
                element=made.element,
                steps=(Step(op=Op.MUL, value=np.array([grid], np.float32), what="grid"),),
                layout=layout,
                is_map=start.is_map,
            )
        elif region.reader_kind is Kind.LAYER:
            self._enter_integers(
                self._structure.index_of(reader),
                np.float32(grid),
                range(low, high + 1),
                made.element,
                layout,
                is_map=start.is_map,
            )
        else:
            self._take(link)
        return link

    def _scale_of(self, region: Region) -> Scale:
        """Layers scale behind their sums; whatever else adds up numbers wants no rounding."""
        if region.reader_kind is Kind.LAYER:
            return Scale.NEAR
        if region.reader_kind is Kind.QUANTISER:
            followers = self._structure.behind(region.sink)
            if all(other.reader_kind is Kind.LAYER for other in followers):
                return Scale.FLOAT
        return Scale.EXACT

    def _take(self, link: Link) -> None:
        """Give a join or a pool an operand."""
        operand = Operand(element=link.made.element, grid=link.grid)
        self._operands[link.region.sink.name, link.region.operand] = operand
