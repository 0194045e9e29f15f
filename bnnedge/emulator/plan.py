"""A Dataflow as a list of operations of the compiled engine, with packed weights."""

import ctypes
import dataclasses
import enum
import math
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
    MaxPool,
    MultiThreshold,
    Node,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    ThresholdEncoding,
    Window,
    XnorMvu,
)
from bnnedge.dataflow.nodes.base import ClassNode, MoveNode
from bnnedge.dataflow.streams import signed_type
from bnnedge.emulator.library import Op, Plan, Variant
from bnnedge.emulator.packed import pack_words
from bnnedge.emulator.weights import for_slices, for_words

_ALIGNMENT = 64
_MOST_SLICES = 1 << 26  # bytes of an arena of slices; beyond, the caches would not help
_INTEGER_ROWS = 32  # of a block, and
_INTEGER_LANES = 4  # images multiplied together, in integers.h
_EXACT_FLOAT = 1 << 23
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


_SLICED_KINDS = {
    _Kind.XNOR,
    _Kind.INTEGER,
    _Kind.INTEGER_WIDE,
    _Kind.POOL_BITS,
    _Kind.MOVE_BITS,
}


@dataclasses.dataclass(kw_only=True, eq=False)
class _Buffer:
    """A stream of one block of images in the arena.

    Attributes:
        stream: its type.
        bytes: its size.
        planar: integers are [lane][element] instead of [element][lane].
        last_use: number of the last operation that reads it.
        offset: in the arena, in bytes.
    """

    stream: Stream
    bytes: int
    planar: bool = False
    last_use: int = -1
    offset: int = 0


def executable(dataflow: Dataflow) -> bool:
    """Whether every integer of the network fits the engine's 32 bits."""
    return all(stream.element.width_bits <= 32 for stream in dataflow.streams().values())


def counts_fit(dataflow: Dataflow, variant: Variant) -> bool:
    """Whether counts of mismatches fit the variant's comparisons."""
    most = max((mvu.mw for mvu in dataflow.mvus if isinstance(mvu, XnorMvu)), default=0)
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
        self._ops: list[tuple[dict[str, Any], tuple[_Buffer, ...], _Buffer]] = []
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
        encoded = self._buffer(stream)
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
        self._encoding(dataflow)
        self._output(dataflow)
        end = self._place(encoded)
        self._plan.dst, self._plan.result = encoded.offset, result.offset
        self._plan.temporary = end
        self.arena_bytes = end + self._temporary + 4 * _ALIGNMENT
        ops = (Op * len(self._ops))()
        for op, (fields, sources, target) in zip(ops, self._ops, strict=True):
            for name, value in fields.items():
                setattr(op, name, self._keep(value) if isinstance(value, np.ndarray) else value)
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

    def _keep(self, array: NDArray[Any]) -> int:
        """The address of `array`, which lives as long as the plan."""
        array = np.ascontiguousarray(array)
        self._kept.append(array)
        return int(array.ctypes.data)

    def _buffer(self, stream: Stream) -> _Buffer:
        lanes, unit_bits = self._variant.lanes, self._variant.unit_bits
        if stream.element.bipolar:
            units = math.prod(stream.shape[:-1]) * self._variant.units(stream.channels)
            return _Buffer(stream=stream, bytes=units * lanes * unit_bits // 8)
        return _Buffer(stream=stream, bytes=stream.elements * lanes * 4)

    def _place(self, encoded: _Buffer) -> int:
        """Give every buffer its place; those that are not needed at the same time share it."""
        placed: list[_Buffer] = []

        def place(buffer: _Buffer, number: int) -> None:
            living = sorted((b.offset, b.offset + b.bytes) for b in placed if b.last_use >= number)
            for low, high in living:
                if buffer.offset + buffer.bytes <= low:
                    break
                buffer.offset = max(buffer.offset, -(-high // _ALIGNMENT) * _ALIGNMENT)
            placed.append(buffer)

        for number, (_, sources, _) in enumerate(self._ops):
            for source in sources:
                source.last_use = max(source.last_use, number)
        place(encoded, 0)
        for number, (_, _, target) in enumerate(self._ops):
            place(target, number)
        end = max(buffer.offset + buffer.bytes for buffer in placed)
        return -(-end // _ALIGNMENT) * _ALIGNMENT

    def _op(
        self, kind: _Kind, sources: tuple[_Buffer, ...], target: _Buffer, **fields: Any
    ) -> None:
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

    def _windowed(self, node: Node) -> tuple[_Buffer, NDArray[np.int32] | None, int]:
        """What a matrix reads: a buffer, the source pixels of its windows, and their padding."""
        name = self._sources[node.name][0]
        if name not in self._fused:
            return self._buffers[name], None, 0
        window = next(n for n in self._nodes if n.name == name)
        source = self._buffers[self._sources[name][0]]
        if isinstance(window, SlidingWindow):
            return source, _taps(window.window, source.stream), window.fill
        height, width, _ = source.stream.shape
        return source, np.arange(height * width, dtype=np.int32)[None], 0

    # Nodes

    def _add(self, node: Node) -> _Buffer:
        """Append the operations of a node; returns what it makes."""
        sources = tuple(
            self._buffers[name] for name in self._sources[node.name] if name in self._buffers
        )
        if isinstance(node, Flatten) and self._is_flat(sources[0]):
            return sources[0]
        target = self._buffer(self._streams[node.name])
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
                    pixels=math.prod(stream.shape[:-1]),
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
                    pixels=math.prod(stream.shape[:-1]),
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
            case MoveNode():
                self._move(node, sources, target)
            case ClassNode():
                raise AssertionError(f"{node.name}: classes are found behind the plan")
            case _:
                assert_never(node)
        return target

    def _is_flat(self, buffer: _Buffer) -> bool:
        stream = buffer.stream
        whole = stream.channels % self._variant.unit_bits == 0
        return whole or len(stream.shape) == 1 or not stream.element.bipolar

    def _expanded(self, buffer: _Buffer) -> _Buffer:
        """±1 integers of a stream of bits; integers as they are."""
        if not buffer.stream.element.bipolar:
            return buffer
        stream = buffer.stream
        target = self._buffer(Stream(shape=stream.shape, element=signed_type(1)))
        self._op(
            _Kind.EXPAND,
            (buffer,),
            target,
            pixels=math.prod(stream.shape[:-1]),
            width=self._variant.units(stream.channels),
            out_width=stream.channels,
        )
        return target

    def _xnor(self, node: XnorMvu, target: _Buffer) -> None:
        source, windows, fill = self._windowed(node)
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
            pixels=math.prod(target.stream.shape[:-1]),
            taps=taps,
            out_width=self._variant.units(node.mh),
            groups=node.groups,
            rows=node.mh // node.groups,
            depth=node.mw,
            **fields,
        )

    def _integer(self, node: IntegerMvu, target: _Buffer) -> None:
        source, windows, fill = self._windowed(node)
        groups, rows, stream = node.groups, node.mh // node.groups, source.stream
        taps = 1 if windows is None else windows.shape[1]
        signs = 2 * node.weights.astype(np.int16) - 1
        element = stream.element
        wide = element.smallest < -(1 << 15) or element.largest >= 1 << 15
        parts = np.zeros(groups, np.int64)
        if wide:
            weights: NDArray[Any] = signs.astype(np.int8)
        else:
            blocks = -(-rows // _INTEGER_ROWS)
            padded = np.zeros((groups, blocks * _INTEGER_ROWS, node.mw + node.mw % 2), np.int16)
            padded[:, :rows, : node.mw] = signs.reshape(groups, rows, node.mw)
            shape = (groups, blocks, _INTEGER_ROWS, -1, 2)
            weights = padded.reshape(shape).transpose(0, 1, 3, 2, 4)
            parts = np.arange(groups) * (weights[0].size // 2)
        fields: dict[str, Any] = {}
        if node.thresholds is not None and node.invert is not None:
            padding = (0, -node.mh % 64)
            fields["thresholds"] = np.pad(
                node.thresholds, padding, constant_values=np.iinfo(np.int32).max
            )
            fields["flips"] = pack_words(node.invert.astype(np.uint8))
        if windows is not None:
            fields["windows"] = windows
        lanes = self._variant.lanes
        self._op(
            _Kind.INTEGER_WIDE if wide else _Kind.INTEGER,
            (source,),
            target,
            pixels=math.prod(target.stream.shape[:-1]),
            taps=taps,
            width=node.mw * groups // taps,
            out_width=self._variant.units(node.mh),
            groups=groups,
            rows=rows,
            depth=node.mw,
            fill=fill,
            element_stride=1 if source.planar else lanes,
            lane_stride=stream.elements if source.planar else 1,
            weights=weights,
            parts=parts,
            **fields,
        )
        stride = node.mh + 64 + _INTEGER_ROWS
        words = min(lanes, _GROUP) * 8 * (stride // 64 + 1)
        self._reserve(words + 128 + 4 * _INTEGER_LANES * (stride + node.mw // 2 + 1))

    def _pool(self, node: MaxPool | SumPool, source: _Buffer, target: _Buffer) -> None:
        windows = _taps(node.window, source.stream)
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

    def _move(self, node: MoveNode, sources: tuple[_Buffer, ...], target: _Buffer) -> None:
        """A node that only rearranges says itself how, on numbers of elements."""
        numbers, start = [], 1
        for source in sources:
            count = source.stream.elements
            numbers.append(np.arange(start, start + count).reshape(1, *source.stream.shape))
            start += count
        origin = node.moved(*numbers).reshape(-1) - 1  # -1 where there is padding
        first = sources[0].stream.elements
        if not target.stream.element.bipolar:
            fields: dict[str, Any] = {"map": origin.astype(np.int32), "map_length": len(origin)}
            self._op(_Kind.GATHER, sources, target, depth=first, fill=node.padding, **fields)
            return
        runs, masks = self._runs(origin, sources, target.stream)
        pixels, channels = math.prod(target.stream.shape[:-1]), target.stream.channels
        padding = (origin < 0).reshape(pixels, channels) & bool(node.padding)
        self._op(
            _Kind.MOVE_BITS,
            sources,
            target,
            pixels=pixels,
            out_width=self._variant.units(channels),
            map=runs,
            map_length=len(runs),
            masks=masks,
            fills=self._variant.pack(padding),
        )

    def _runs(
        self, origin: NDArray[np.int64], sources: tuple[_Buffer, ...], stream: Stream
    ) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Bits that move together: (source, its unit, unit of the output, shift), and masks."""
        unit_bits, first = self._variant.unit_bits, sources[0].stream.elements
        out = np.flatnonzero(origin >= 0)
        element = origin[out]
        second = element >= first
        element = element - np.where(second, first, 0)

        def place(element: NDArray[Any], channels: Any) -> tuple[NDArray[Any], NDArray[Any]]:
            pixel, channel = np.divmod(element, channels)
            units = -(-channels // unit_bits)
            return pixel * units + channel // unit_bits, channel % unit_bits

        channels = np.where(second, sources[-1].stream.channels, sources[0].stream.channels)
        from_unit, from_bit = place(element, channels)
        to_unit, to_bit = place(out, stream.channels)
        keys = np.stack([second, from_unit, to_unit, to_bit - from_bit], axis=1).astype(np.int32)
        starts = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)][: len(keys)])
        if self._variant.sliced:
            return keys[starts], self._variant.pack(np.ones(len(starts)))
        bits = (np.uint64(1) << to_bit.astype(np.uint64)).astype(f"<u{unit_bits // 8}")
        masks = np.bitwise_or.reduceat(bits, starts) if len(starts) else bits
        return keys[starts], masks

    # Both ends

    def _reserve(self, size: int) -> None:
        """Make room for what an operation keeps while it runs, in bytes."""
        self._temporary = max(self._temporary, size)

    def _encoding(self, dataflow: Dataflow) -> None:
        plan, encoding = self._plan, dataflow.input
        plan.elements = encoding.elements
        if isinstance(encoding, IntegerEncoding):
            self._integer_encoding(encoding)
        else:
            self._bit_encoding(encoding)
        words = min(self._variant.lanes, _GROUP) * (int(plan.features) // 8 + 8)
        self._reserve(int(plan.features) * 4 + words)

    def _bit_encoding(self, encoding: ThresholdEncoding) -> None:
        plan, stream = self._plan, encoding.stream
        pixels, channels = math.prod(stream.shape[:-1]), stream.channels
        units, unit_bits = self._variant.units(channels), self._variant.unit_bits

        def padded(values: NDArray[Any], padding: Any) -> NDArray[Any]:
            each = np.full((pixels, units * unit_bits), padding, values.dtype)
            each[:, :channels] = values.reshape(pixels, channels)
            flat = each.reshape(-1)
            return np.pad(flat, (0, -len(flat) % 64), constant_values=padding)

        source = padded(encoding.source, 0)
        plan.bits, plan.features = 1, len(source)
        used = encoding.features
        dense = pixels == 1 or channels % unit_bits == 0
        straight = np.array_equal(encoding.source, np.arange(used))
        plan.identity = int(dense and straight)
        plan.source = self._keep(source)
        plan.thresholds = self._keep(padded(encoding.threshold, np.float32(np.nan)))
        plan.flips = self._keep(pack_words(padded(encoding.invert.astype(np.uint8), 0)))
        plan.units = pixels * units

    def _integer_encoding(self, encoding: IntegerEncoding) -> None:
        plan, steps = self._plan, encoding.steps
        smallest = encoding.element.smallest
        plan.features = encoding.features
        plan.source, plan.steps = self._keep(encoding.source), self._keep(steps)
        plan.rows, plan.count = steps.shape
        plan.smallest = smallest
        ramp = np.isfinite(steps).all() and np.abs(steps).max(initial=0) < _EXACT_FLOAT
        ramp = ramp and len(steps) == 1 and bool((steps[0] == np.floor(steps[0])).all())
        plan.integral = int(ramp and bool((np.diff(steps[0]) == 1).all()))
        bytes_ = np.arange(256, dtype=np.float32)
        table = [smallest + np.searchsorted(row, bytes_, side="right") for row in steps]
        plan.table = self._keep(np.array(table, np.int32))
        planar = self._buffers[INPUT].planar
        plan.element_stride = 1 if planar else self._variant.lanes
        plan.lane_stride = encoding.features if planar else 1

    def _output(self, dataflow: Dataflow) -> None:
        plan, output = self._plan, dataflow.output
        plan.classes, plan.columns = output.values.shape
        plan.low, plan.step = output.low, output.step
        plan.scores = self._keep(output.scores())
        self._reserve(4 * int(plan.classes))


def _taps(window: Window, stream: Stream) -> NDArray[np.int32]:
    """The pixels that each output pixel sees (OH · OW, taps), -1 for padding."""
    height, width, _ = stream.shape
    pixels = np.arange(height * width, dtype=np.int32).reshape(1, height, width, 1)
    return np.ascontiguousarray(window.view(pixels, -1).reshape(-1, window.taps))
