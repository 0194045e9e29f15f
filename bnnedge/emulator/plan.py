"""A Dataflow as a list of operations of the compiled engine, with packed weights."""

import ctypes
import enum
from collections import Counter
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import (
    INPUT,
    Add,
    Dataflow,
    Flatten,
    IntegerEncoding,
    IntegerMvu,
    LutLayer,
    MaxPool,
    MultiThreshold,
    Node,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    ThresholdEncoding,
    XnorMvu,
)
from bnnedge.dataflow.nodes.base import ClassNode, MoveNode
from bnnedge.dataflow.streams import signed_type
from bnnedge.emulator import encoding as encodings
from bnnedge.emulator import moves
from bnnedge.emulator.arena import ALIGNMENT, Buffer, place
from bnnedge.emulator.library import Op, Plan, Variant
from bnnedge.emulator.weights import (
    INTEGER_ROWS,
    for_integers,
    for_slices,
    for_words,
    without_zeros,
)

_MOST_SLICES = 1 << 26  # bytes of an arena of slices; beyond, the caches would not help
_INTEGER_LANES = 4  # images multiplied together, in integers.h
_GROUP = 64  # images whose bits are spread over lanes together, in kernels.h


class _Kind(enum.IntEnum):
    XNOR = 0
    INTEGER = 1
    INTEGER_WIDE = 2
    POOL_BITS = 3
    POOL_MAX = 4
    POOL_SUM = 5
    THRESHOLD = 6
    MULTI_THRESHOLD = 7
    ADD = 8
    EXPAND = 9
    MOVE_BITS = 10
    GATHER = 11
    LOOK_UP = 12


_SLICED_KINDS = {
    _Kind.XNOR,
    _Kind.INTEGER,
    _Kind.INTEGER_WIDE,
    _Kind.POOL_BITS,
    _Kind.MOVE_BITS,
    _Kind.LOOK_UP,
}


def executable(dataflow: Dataflow) -> bool:
    """Whether every integer of the network fits the engine's 32 bits."""
    return all(stream.element.width_bits <= 32 for stream in dataflow.streams().values())


def counts_fit(dataflow: Dataflow, variant: Variant) -> bool:
    """Whether counts of mismatches fit the variant's comparisons."""
    xnors = (mvu for mvu in dataflow.mvus if isinstance(mvu, XnorMvu))
    most = max((mvu.mw << (mvu.magnitudes is not None) for mvu in xnors), default=0)
    return variant.sliced or most < 1 << (variant.limit_bits - 1)


class ExecutionPlan:
    """The operations of a Dataflow for one variant of the engine.

    Attributes:
        address: of the C `plan`.
        arena_bytes: what a thread needs to run it.
    """

    def __init__(self, dataflow: Dataflow, variant: Variant) -> None:
        self._variant = variant
        self._kept: list[NDArray[Any]] = []
        self._ops: list[tuple[dict[str, Any], tuple[Buffer, ...], Buffer]] = []
        self._temporary = 0
        self._nodes = dataflow.nodes[: len(dataflow.nodes) - len(dataflow.class_nodes)]
        self._sources = dataflow.sources
        self._streams = dataflow.streams()
        reads = Counter(name for node in self._nodes for name in set(self._sources[node.name]))
        self._readers = {
            name: node
            for node in self._nodes
            for name in self._sources[node.name]
            if reads[name] == 1
        }
        fused = {node.name for node in self._nodes if self._fuses(node)}
        self._fused = fused
        stream = self._streams[INPUT]
        encoded = Buffer.of(stream, self._variant)
        encoded.planar = not stream.element.bipolar and all(
            self._reads_planar(node) for node in self._nodes if INPUT in self._sources[node.name]
        )
        self._buffers = {INPUT: encoded}
        for node in self._nodes:
            if node.name not in fused:
                self._buffers[node.name] = self._add(node)
        result = self._buffers[self._nodes[-1].name]
        result.last_use = len(self._ops)
        self._plan = Plan()
        self._encoding(dataflow.input)
        self._output(dataflow)
        end = place(encoded, [operation[1:] for operation in self._ops])
        self._plan.dst, self._plan.result = encoded.offset, result.offset
        self._plan.temporary = end
        self.arena_bytes = end + self._temporary + 4 * ALIGNMENT
        ops = (Op * len(self._ops))()
        for op, (fields, sources, target) in zip(ops, self._ops, strict=True):
            self._fill(op, fields)
            for name, source in zip(("src0", "src1"), sources, strict=False):
                setattr(op, name, source.offset)
            op.dst = target.offset
        self._op_array = ops
        self._plan.count_ops, self._plan.ops = len(ops), ctypes.addressof(ops)
        self.address = ctypes.addressof(self._plan)

    @property
    def fits(self) -> bool:
        """Whether the variant has these operations, and caches help it."""
        kinds = {fields["kind"] for fields, _, _ in self._ops}
        return not self._variant.sliced or (
            kinds <= _SLICED_KINDS and self.arena_bytes <= _MOST_SLICES
        )

    # Layout

    def _fill(self, target: Plan | Op, fields: dict[str, Any]) -> None:
        """Set fields of a C struct; arrays are kept and pointed to."""
        for name, value in fields.items():
            setattr(target, name, self._keep(value) if isinstance(value, np.ndarray) else value)

    def _keep(self, array: NDArray[Any]) -> int:
        """The address of `array`, which lives as long as the plan."""
        array = np.ascontiguousarray(array)
        self._kept.append(array)
        return int(array.ctypes.data)

    def _op(self, kind: _Kind, sources: tuple[Buffer, ...], target: Buffer, **fields: Any) -> None:
        self._ops.append(({"kind": int(kind), **fields}, sources, target))

    # Fusion

    def _fuses(self, node: Node) -> bool:
        """Whether a node is no operation of its own: its reader takes windows from its source."""
        reader = self._readers.get(node.name)
        if isinstance(node, SlidingWindow):
            return isinstance(reader, XnorMvu | IntegerMvu) and reader.groups == node.groups
        if isinstance(node, Flatten):
            stream = self._streams[self._sources[node.name][0]]
            return (
                isinstance(reader, XnorMvu)
                and reader.groups == 1
                and len(stream.shape) == 3
                and stream.channels % self._variant.unit_bits != 0
            )
        return False

    def _reads_planar(self, node: Node) -> bool:
        if node.name in self._fused:
            node = self._readers[node.name]
        return isinstance(node, IntegerMvu)

    def _windowed(self, node: Node) -> tuple[Buffer, NDArray[np.int32] | None, int]:
        """What a matrix reads: a buffer, the source pixels of its windows, and their padding."""
        name = self._sources[node.name][0]
        if name not in self._fused:
            return self._buffers[name], None, 0
        window = next(n for n in self._nodes if n.name == name)
        source = self._buffers[self._sources[name][0]]
        if isinstance(window, SlidingWindow):
            return source, moves.taps_of(window.window, source.stream), window.fill
        height, width, _ = source.stream.shape
        return source, np.arange(height * width, dtype=np.int32)[None], 0

    # Nodes

    def _add(self, node: Node) -> Buffer:
        """Append the operations of a node; returns what it makes."""
        sources = tuple(
            self._buffers[name] for name in self._sources[node.name] if name in self._buffers
        )
        if isinstance(node, Flatten) and self._is_flat(sources[0]):
            return sources[0]
        target = Buffer.of(self._streams[node.name], self._variant)
        match node:
            case XnorMvu():
                self._xnor(node, target)
            case IntegerMvu():
                self._integer(node, target)
            case MaxPool() | SumPool():
                self._pool(node, sources[0], target)
            case Threshold():
                stream = sources[0].stream
                self._op(
                    _Kind.THRESHOLD,
                    sources,
                    target,
                    pixels=stream.pixels,
                    width=stream.channels,
                    out_width=self._variant.units(stream.channels),
                    thresholds=node.thresholds,
                    flips=self._variant.pack(node.invert),
                )
            case MultiThreshold():
                stream = sources[0].stream
                self._op(
                    _Kind.MULTI_THRESHOLD,
                    sources,
                    target,
                    pixels=stream.pixels,
                    width=stream.channels,
                    depth=node.thresholds.shape[1],
                    low=node.low,
                    thresholds=node.thresholds,
                    flips=node.invert.astype(np.int32),
                )
            case Add():
                first, second = map(self._expanded, sources)
                self._op(
                    _Kind.ADD,
                    (first, second),
                    target,
                    pixels=1,
                    width=first.stream.elements,
                    low=node.factors[0],
                    fill=node.factors[1],
                )
            case LutLayer():
                self._look_up(node, sources, target)
            case MoveNode():
                self._move(node, sources, target)
            case ClassNode():
                raise AssertionError(f"{node.name}: classes are found behind the plan")
            case _:
                assert_never(node)
        return target

    def _is_flat(self, buffer: Buffer) -> bool:
        stream = buffer.stream
        whole = stream.channels % self._variant.unit_bits == 0
        return whole or len(stream.shape) == 1 or not stream.element.bipolar

    def _expanded(self, buffer: Buffer) -> Buffer:
        """±1 integers of a stream of bits; integers as they are."""
        if not buffer.stream.element.bipolar:
            return buffer
        stream = buffer.stream
        target = Buffer.of(Stream(shape=stream.shape, element=signed_type(1)), self._variant)
        self._op(
            _Kind.EXPAND,
            (buffer,),
            target,
            pixels=stream.pixels,
            width=self._variant.units(stream.channels),
            out_width=stream.channels,
        )
        return target

    def _xnor(self, node: XnorMvu, target: Buffer) -> None:
        source, windows, fill = self._windowed(node)
        pixels, masked = target.stream.pixels, node.magnitudes is not None
        if masked:
            taken = np.arange(pixels, dtype=np.int32)[:, None] if windows is None else windows
            node, windows = without_zeros(node, taken.shape[1]), np.tile(taken, (1, 2))
        taps = 1 if windows is None else windows.shape[1]
        lay_out = for_slices if self._variant.sliced else for_words
        fields, room = lay_out(node, taps, fill, self._variant)
        self._reserve(room)
        if node.invert is not None:
            fields["flips"] = self._variant.pack(~node.invert)
        if node.correction is not None:
            fields["corrections"] = node.correction
        if node.border is not None:
            fields["classes"] = node.border
        if windows is not None:
            fields["windows"] = windows
        self._op(
            _Kind.XNOR,
            (source,),
            target,
            pixels=pixels,
            taps=taps,
            out_width=self._variant.units(node.mh),
            groups=node.groups,
            rows=node.mh // node.groups,
            depth=node.mw,
            low=int(masked),
            **fields,
        )

    def _integer(self, node: IntegerMvu, target: Buffer) -> None:
        source, windows, fill = self._windowed(node)
        groups, rows, stream = node.groups, node.mh // node.groups, source.stream
        taps = 1 if windows is None else windows.shape[1]
        wide, fields = for_integers(node, stream.element)
        if windows is not None:
            fields["windows"] = windows
        lanes = self._variant.lanes
        self._op(
            _Kind.INTEGER_WIDE if wide else _Kind.INTEGER,
            (source,),
            target,
            pixels=target.stream.pixels,
            taps=taps,
            width=node.mw * groups // taps,
            out_width=self._variant.units(node.mh),
            groups=groups,
            rows=rows,
            depth=node.mw,
            fill=fill,
            element_stride=1 if source.planar else lanes,
            lane_stride=stream.elements if source.planar else 1,
            **fields,
        )
        stride = node.mh + 64 + INTEGER_ROWS
        words = min(lanes, _GROUP) * 8 * (stride // 64 + 1)
        self._reserve(words + 128 + 4 * _INTEGER_LANES * (stride + node.mw // 2 + 1))

    def _pool(self, node: MaxPool | SumPool, source: Buffer, target: Buffer) -> None:
        windows = moves.taps_of(node.window, source.stream)
        fields: dict[str, Any] = {"width": source.stream.channels}
        kind = _Kind.POOL_SUM if isinstance(node, SumPool) else _Kind.POOL_MAX
        if isinstance(node, MaxPool) and node.conjunction is not None:
            kind = _Kind.POOL_BITS
            fields = {
                "width": self._variant.units(source.stream.channels),
                "flips": self._variant.pack(node.conjunction),
            }
        pixels, taps = windows.shape
        self._op(kind, (source,), target, pixels=pixels, taps=taps, windows=windows, **fields)

    def _look_up(self, node: LutLayer, sources: tuple[Buffer, ...], target: Buffer) -> None:
        self._op(
            _Kind.LOOK_UP,
            sources,
            target,
            pixels=target.stream.pixels,
            width=self._variant.units(self._streams[self._sources[node.name][0]].channels),
            out_width=self._variant.units(target.stream.channels),
            rows=len(node.wiring),
            depth=node.fan_in,
            map=node.wiring,
            weights=node.tables,
        )

    def _move(self, node: MoveNode, sources: tuple[Buffer, ...], target: Buffer) -> None:
        streams = [source.stream for source in sources]
        if target.stream.element.bipolar:
            fields = moves.of_bits(node, streams, target.stream, self._variant)
            self._op(_Kind.MOVE_BITS, sources, target, **fields)
        else:
            self._op(_Kind.GATHER, sources, target, **moves.of_integers(node, streams))

    # Both ends

    def _reserve(self, size: int) -> None:
        """Make room for what an operation keeps while it runs, in bytes."""
        self._temporary = max(self._temporary, size)

    def _encoding(self, encoding: IntegerEncoding | ThresholdEncoding) -> None:
        plan, variant = self._plan, self._variant
        plan.elements = encoding.elements
        if isinstance(encoding, IntegerEncoding):
            planar = self._buffers[INPUT].planar
            self._fill(plan, encodings.integers(encoding, variant, planar=planar))
        else:
            self._fill(plan, encodings.bits(encoding, variant))
        words = min(variant.lanes, _GROUP) * (int(plan.features) // 8 + 8)
        self._reserve(int(plan.features) * 4 + words)

    def _output(self, dataflow: Dataflow) -> None:
        plan, output = self._plan, dataflow.output
        plan.classes, plan.columns = output.values.shape
        plan.low, plan.step = output.low, output.step
        plan.scores = self._keep(output.scores())
        self._reserve(4 * int(plan.classes))
