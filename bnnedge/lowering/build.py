"""The nodes of a Dataflow, made of points one after the other."""

import dataclasses
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    INPUT,
    Add,
    Concat,
    Crop,
    Flatten,
    IntegerMvu,
    LutLayer,
    MaxPool,
    MultiThreshold,
    Node,
    PadChannels,
    SlidingWindow,
    SumPool,
    Threshold,
    Window,
    XnorMvu,
)
from bnnedge.errors import LoweringError
from bnnedge.lowering.border import Border
from bnnedge.lowering.explain import Marks
from bnnedge.lowering.fates import Became
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.points import (
    Bits,
    JoinPoint,
    LayerPoint,
    Levels,
    Link,
    Point,
    QuantiserPoint,
    Same,
)
from bnnedge.lowering.structure import Region, Structure
from bnnedge.lowering.tables import tables_of_sums
from bnnedge.lowering.vocabulary import MAX_POOLS, SUMS, called
from bnnedge.lowering.windows import pad_amounts, slice_of, window_of


class Builder:
    """Makes nodes of points.

    Attributes:
        nodes: in an order in which they can run.
        inputs: as a Dataflow has them.
        marks: what became of the graph's nodes.
    """

    def __init__(self, model: IndexedModel, structure: Structure) -> None:
        self._model, self._structure = model, structure
        self.nodes: list[Node] = []
        self.inputs: dict[str, tuple[str, ...]] = {}
        self.marks = Marks()
        self._sources: dict[tuple[str, int], str] = {}
        self._signs: dict[tuple[str, bytes, bytes], str] = {}
        self._counts: dict[str, int] = {}
        self._vectors: set[str] = set()  # made by layers

    def build(self, points: tuple[Point, ...]) -> None:
        """Make all nodes up to the accumulators.

        Raises:
            LoweringError: a join that is no node of a Dataflow.
        """
        structure, made = self._structure, INPUT
        for number, pool in enumerate(structure.input_pools):
            window = window_of(self._model, pool)
            made = self._add(MaxPool(name=f"input_pool_{number}", window=window), made)
            self.marks.mark(Became.NODE, made, pool)
        for index in structure.first:
            self._sources[structure.layers[index].name, 0] = made
        for point in points:
            match point:
                case LayerPoint():
                    self._layer(point)
                    continue
                case QuantiserPoint():
                    made = self._sources[point.node.name, 0]
                case JoinPoint():
                    made = self._join(point)
                    self.marks.mark(Became.NODE, made, point.node)
                case _:
                    assert_never(point)
            for link in point.links:
                self._link(link, made)

    def _add(self, node: Node, *sources: str) -> str:
        before = self.nodes[-1].name if self.nodes else INPUT
        self.nodes.append(node)
        if sources != (before,):
            self.inputs[node.name] = sources
        return node.name

    def _called(self, what: str) -> str:
        number = self._counts.get(what, 0)
        self._counts[what] = number + 1
        return f"{what}_{number}"

    def _layer(self, point: LayerPoint) -> None:
        """A layer, from its window to its thresholds, if bits are all that is made of it."""
        index, layer, entry = point.index, point.layer, point.entry
        made = self._sources[layer.name, 0]
        if entry.window is None:
            if point.is_behind_map:
                made = self._add(Flatten(name=f"flatten_{index}"), made)
        elif entry.window != Window(kernel=(1, 1)):
            made = self._add(
                SlidingWindow(
                    name=f"window_{index}",
                    window=entry.window,
                    fill=entry.fill,
                    groups=layer.groups,
                ),
                made,
            )
            self.marks.mark(Became.NODE, made, layer.node)
            if (pad := self._structure.pads[index]) is not None:
                self.marks.mark(Became.WINDOW, made, pad)
        is_vector = entry.window is None or made in self._vectors
        bits: Bits | None = None
        match point.links:
            case [Link(made=Bits() as only, sum_window=None)]:
                bits = only
            case [_, *_] if layer.has_few and entry.element.bipolar:
                bits = _common_bits(point)
        made = self._add(self._unit(point, bits), made)
        if is_vector:
            self._vectors.add(made)
        self.marks.mark(Became.NODE, made, layer.node)
        if bits is not None:
            for link in point.links:
                self.marks.enumerated(link.region, made)
                self._connect(link, self._max_pools(link.region, bits, index, made))
        elif entry.tables is not None:
            for link in point.links:
                self.marks.mark(Became.SAME, None, *link.region)
                self._connect(link, made)
        elif point.links:
            alone = index if len(point.links) == 1 else None
            for link in point.links:
                self._link(link, made, index=index, alone=alone)
        else:
            self._end(index, made)

    def _unit(self, point: LayerPoint, bits: Bits | None) -> XnorMvu | IntegerMvu | LutLayer:
        """The node of a layer, with thresholds if there are `bits`."""
        index, entry = point.index, point.entry
        weights = entry.weights
        few = point.layer.has_few and entry.element.bipolar and bits is not None
        if entry.tables is not None or few:
            return _lut_layer(point, bits)
        unit = _Unit(name=f"mvu_{index}", weights=weights, groups=point.layer.groups)
        if not entry.element.bipolar:
            return unit.integer(bits)
        border: Border | None = None
        if entry.is_exact and entry.window is not None:
            _, _, height, width = self._model.shape(self._structure.entry(index))
            border = Border.of(entry.window, weights, height, width)
        return unit.xnor(bits, border)

    def _end(self, index: int, made: str) -> None:
        """Behind the last layer."""
        tail = self._structure.tail
        if tail.sums:
            window = window_of(self._model, tail.pools[0])
            made = self._add(SumPool(name=f"sum_{index}", window=window), made)
            self.marks.mark(Became.NODE, made, tail.pools[0])
        if self._structure.layers[index].op_type == "Conv" and made not in self._vectors:
            self._add(Flatten(name=f"flatten_{index + 1}"), made)

    def _link(
        self, link: Link, made: str, index: int | None = None, alone: int | None = None
    ) -> None:
        """Sums, thresholds and pools of bits behind a point, as far as there are any.

        Args:
            index: of the layer, behind one.
            alone: the same where nothing else is behind it.
        """
        region = link.region
        if link.sum_window is not None:
            name = self._called("sum") if alone is None else f"sum_{alone}"
            made = self._add(SumPool(name=name, window=link.sum_window), made)
            self.marks.mark(Became.NODE, made, region.pools[0])
        match link.made:
            case Bits(threshold=rows, invert=invert):
                same = made, rows.tobytes(), invert.tobytes()
                if same not in self._signs:  # several layers may see the same bits
                    name = self._called("sign") if alone is None else f"threshold_{alone}"
                    node = Threshold(name=name, thresholds=rows.astype(np.int32), invert=invert)
                    self._signs[same] = self._add(node, made)
                self.marks.enumerated(region, self._signs[same])
                made = self._max_pools(region, link.made, index, self._signs[same])
            case Levels(thresholds=rows, invert=invert, low=low):
                levels = MultiThreshold(
                    name=self._called("quantise"),
                    thresholds=rows.astype(np.int32),
                    invert=invert,
                    low=low,
                )
                made = self._add(levels, made)
                self.marks.enumerated(region, made)
            case Same():
                self.marks.mark(Became.SAME, None, *region)
            case _:
                assert_never(link.made)
        self._connect(link, made)

    def _connect(self, link: Link, made: str) -> None:
        self._sources[link.region.sink.name, link.region.operand] = made

    def _join(self, point: JoinPoint) -> str:
        """A join or a pool of integers."""
        model, node = self._model, point.node
        sources: list[str] = []
        while (node.name, len(sources)) in self._sources:
            sources.append(self._sources[node.name, len(sources)])
        if node.op_type in SUMS:
            first, second = point.factors
            return self._add(Add(name=self._called("add"), factors=(first, second)), *sources)
        if node.op_type == "Concat":
            joined, *rest = sources
            for source in rest:
                joined = self._add(Concat(name=self._called("concat")), joined, source)
            return joined
        if node.op_type == "Pad":
            amounts = pad_amounts(model, node)
            assert amounts is not None
            padded = PadChannels(
                name=self._called("zeros"), before=int(amounts[1]), after=int(amounts[5])
            )
            return self._add(padded, *sources)
        if node.op_type == "Slice":
            return self._slice(node, sources[0])
        window = window_of(model, node)
        if node.op_type in MAX_POOLS:
            return self._add(MaxPool(name=self._called("max"), window=window), *sources)
        return self._add(SumPool(name=self._called("sum"), window=window), *sources)

    def _slice(self, node: GraphNode, made: str) -> str:
        """Every n-th row and column, from the first or a later one on."""
        (top, left), stride = slice_of(self._model, node)
        last = self.nodes[-1]
        if self._extends_slice(node):  # exporters slice axis by axis
            if isinstance(last, Crop) and stride == (1, 1):
                self.nodes[-1] = dataclasses.replace(
                    last, top=last.top + top, left=last.left + left
                )
                return made
            if isinstance(last, SlidingWindow) and not (top or left):
                rows, columns = last.window.stride
                window = Window(kernel=(1, 1), stride=(rows * stride[0], columns * stride[1]))
                self.nodes[-1] = dataclasses.replace(last, window=window)
                return made
        if top or left:
            made = self._add(Crop(name=self._called("crop"), top=top, left=left), made)
        if stride == (1, 1):
            return made
        window = Window(kernel=(1, 1), stride=stride)
        return self._add(SlidingWindow(name=self._called("pixels"), window=window), made)

    def _extends_slice(self, node: GraphNode) -> bool:
        """Whether a Slice is all that reads another one, which was read last."""
        structure = self._structure
        before = structure.into(node).start
        alone = before.op_type == "Slice" and len(structure.behind(before)) == 1
        return alone and self.nodes[-1].name == self._sources[node.name, 0]

    def _max_pools(self, region: Region, bits: Bits, index: int | None, made: str) -> str:
        """The pools of bits behind a threshold."""
        pools = region.pools[1:] if region.sums else region.pools
        for number, (pool, (window, conjunction)) in enumerate(zip(pools, bits.pools, strict=True)):
            suffix = f"_{number}" if number else ""
            name = self._called("pool_of_bits") if index is None else f"pool_{index}{suffix}"
            made = self._add(MaxPool(name=name, window=window, conjunction=conjunction), made)
            self.marks.mark(Became.NODE, made, pool)
        return made


def _lut_layer(point: LayerPoint, bits: Bits | None) -> LutLayer:
    """The node of a layer of tables or of sparse sums, with what the graph does behind it."""
    tables, weights = point.entry.tables, point.entry.weights
    if tables is None:
        assert bits is not None
        tables = tables_of_sums(weights, bits.threshold, bits.invert)
    elif bits is None:
        _require_same(point)
    else:
        tables = tables.behind(bits.threshold, bits.invert)
    return LutLayer(
        name=f"lut_{point.index}",
        wiring=tables.wiring.astype(np.int32),
        tables=tables.contents.astype(np.uint8),
    )


def _common_bits(point: LayerPoint) -> Bits | None:
    """What all readers of sums take of them, if that is bits by the same thresholds."""
    first = point.links[0].made
    for link in point.links:
        match first, link.made:
            case Bits(), Bits(pools=()) if (
                link.sum_window is None
                and np.array_equal(first.threshold, link.made.threshold)
                and np.array_equal(first.invert, link.made.invert)
            ):
                continue
        return None
    assert isinstance(first, Bits)
    return first


def _require_same(point: LayerPoint) -> None:
    """Refuse tables that several readers see, or one that is no layer, unless as they are."""
    for link in point.links:
        match link.made:
            case Bits(threshold=threshold, invert=invert, pools=()) if (
                link.sum_window is None and (threshold == 1).all() and not invert.any()
            ):
                pass
            case _:
                raise LoweringError(
                    f"{called(point.layer.node)}: {called(link.region.sink)} takes what it gives in"
                    " another way than a layer, or than its other readers",
                    remedy="put nothing between tables and the layers that read them",
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Unit:
    """A matrix-vector unit to be; `weights` are integers (MH, MW)."""

    name: str
    weights: NDArray[np.float32]
    groups: int

    @property
    def signs(self) -> NDArray[np.uint8]:
        """Bits (MH, MW)."""
        return (self.weights > 0).astype(np.uint8)

    @property
    def magnitudes(self) -> NDArray[np.uint8] | None:
        """Of the weights, where they are not all 1."""
        magnitudes = np.abs(self.weights).astype(np.uint8)
        return None if (magnitudes == 1).all() else magnitudes

    def xnor(self, bits: Bits | None, border: Border | None) -> XnorMvu:
        """Thresholds on accumulators; p is the popcount of (accumulator + n) / 2."""
        synapses = np.abs(self.weights).sum(axis=1).astype(np.int64)
        popcounts, correction = None, None
        if bits is not None:
            dots = bits.threshold if border is None else bits.threshold - border.correction
            popcounts = (-(-(dots + synapses) // 2)).clip(0, synapses + 1).astype(np.int32)
        elif border is not None:
            correction = border.correction.astype(np.int32)
        return XnorMvu(
            name=self.name,
            weights=self.signs,
            thresholds=popcounts,
            invert=None if bits is None else bits.invert,
            groups=self.groups,
            magnitudes=self.magnitudes,
            border=None if border is None else border.classes,
            correction=correction,
        )

    def integer(self, bits: Bits | None) -> IntegerMvu:
        """The same on integers."""
        return IntegerMvu(
            name=self.name,
            weights=self.signs,
            thresholds=None if bits is None else bits.threshold.astype(np.int32),
            invert=None if bits is None else bits.invert,
            groups=self.groups,
            magnitudes=self.magnitudes,
        )
