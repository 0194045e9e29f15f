"""A Dataflow and its folding as kernels between s_axis and m_axis."""

import dataclasses
from dataclasses import dataclass
from typing import assert_never

from bnnedge.cost import ceil_div
from bnnedge.dataflow import INPUT, Dataflow, Node, Stream
from bnnedge.design import LEAST_FIFO_WORDS
from bnnedge.errors import DesignError
from bnnedge.hardware.core import S_AXIS, Placed, Source
from bnnedge.hardware.fifos import FifoDepths, operand_pixels
from bnnedge.hardware.folding import Folding, axis_bits, choose_fold, interval_of
from bnnedge.hardware.kernels import (
    CreditGateKernel,
    Fold,
    Kernel,
    ResizeElementsKernel,
    StreamFifoKernel,
    StreamForkKernel,
    StreamLastKernel,
    StreamWidthConverterKernel,
    UnrolledKernel,
    Wanted,
    kernel_for,
)
from bnnedge.names import identifier

_RESULT_BITS = (8, 16, 32)
# From a word's way into a gate to its credit's way back, besides the kernels in between: the gate's
# register, the FIFO and the registers behind its memory, the credit's.
_GATE_CYCLES = 6
_LEAST_CREDITS = 34  # the shallowest FIFO with these registers, and a power of two in its memory


@dataclass(frozen=True, kw_only=True)
class NodeStream:
    """Where a node's output can be seen.

    Attributes:
        node: name of the Dataflow node.
        source: the stream.
        lanes: elements in a word.
        element_bits: bits of each.
    """

    node: str
    source: Source
    lanes: int
    element_bits: int


@dataclass(frozen=True, kw_only=True)
class Network:
    """The kernels of a network.

    Attributes:
        placed: in an order in which every kernel comes behind those that it reads.
        nodes: every node's output stream, in the order of the nodes.
        input_element_bits: bits that an input element takes on s_axis.
        result_bits: bits that a result takes on m_axis.
        results: of an image.
        signed: results are two's complement.
    """

    placed: tuple[Placed, ...]
    nodes: tuple[NodeStream, ...]
    input_element_bits: int
    result_bits: int
    results: int
    signed: bool

    @property
    def last(self) -> StreamLastKernel:
        """What marks the last beat of an image on m_axis."""
        width_bits = self.placed[-1].widths_out[0]
        return StreamLastKernel(beats=ceil_div(self.results * self.result_bits, width_bits))


def input_element_bits(stream: Stream) -> int:
    """What an element takes on s_axis: a bit, or whole bytes, so that drivers copy arrays."""
    return stream.element.width_bits if stream.element.bipolar else _bytes(stream)


def build_network(graph: Dataflow, folding: Folding, depths: FifoDepths) -> Network:
    """The stream kernels of a network, folded.

    Before every MVU stands a FIFO. It cuts the combinational ready path, and where the MVU replays
    its input it holds one vector, so that the layer before never waits for the replay; a sliding
    window of the same width waits without loss, because it holds its pixels itself, and so does
    the network's input, where a word of it is there for every cycle.

    Kernels whose weights are logic never stop: before the first of them in a row stands a
    `credit_gate`, behind the last one a FIFO that has room for all that is under way.

    Before each operand of a join stands a FIFO that holds what comes while the other
    operand is still on its way; see `fifos`.

    Args:
        graph: the network.
        folding: PE and SIMD of its matrix-vector units.
        depths: words of FIFOs, by their names; the others choose their own.

    Raises:
        DesignError: results of more than 32 bits, or a depth of no FIFO.
    """
    return _Builder(graph, folding, depths).build()


@dataclass(frozen=True, kw_only=True)
class _Head:
    """A stream that nothing reads yet: `lanes` elements of `element_bits` in a word."""

    source: Source
    lanes: int
    element_bits: int
    gate: int | None = None  # index of the `credit_gate` of the pipeline that it is in
    latency_cycles: int = 0  # since there

    @property
    def width_bits(self) -> int:
        return self.lanes * self.element_bits


class _Builder:
    """Places kernels node by node."""

    def __init__(self, graph: Dataflow, folding: Folding, depths: FifoDepths) -> None:
        self._graph = graph
        self._sources = graph.sources
        self._folding = folding
        self._depths = depths
        self._interval = interval_of(graph, folding)
        self._placed: list[Placed] = []
        self._nodes: list[NodeStream] = []
        self._heads: dict[str, list[_Head]] = {}
        self._stem = INPUT

    def build(self) -> Network:
        graph, streams = self._graph, self._graph.streams()
        bits = input_element_bits(graph.input.stream)
        width = axis_bits(graph.input.stream.elements * bits, self._interval)
        self._offer(
            INPUT,
            _Head(source=S_AXIS, lanes=width // bits, element_bits=bits),
            streams[INPUT],
        )
        for index, node in enumerate(graph.nodes):
            self._stem = f"{index}_{identifier(node.name)}"
            names = self._sources[node.name]
            heads = [self._heads[name].pop(0) for name in names]
            befores = [streams[name] for name in names]
            head = self._node(node, heads, befores)
            self._nodes.append(
                NodeStream(
                    node=node.name,
                    source=head.source,
                    lanes=head.lanes,
                    element_bits=head.element_bits,
                )
            )
            self._offer(node.name, head, streams[node.name])
        return self._finish(self._heads[graph.nodes[-1].name][0], streams[graph.nodes[-1].name])

    def _offer(self, name: str, head: _Head, stream: Stream) -> None:
        """Let everything that reads the node `name` have its stream, by forks if need be."""
        readers = sum(names.count(name) for names in self._sources.values())
        if readers > 1:
            head = self._leave(head, stream)
        heads = []
        for number in range(readers - 1):
            fork = StreamForkKernel(
                width_bits=head.width_bits, image_words=-(-stream.elements // head.lanes)
            )
            suffix = f"_{number}" if number else ""
            source = self._place(fork, head, name=f"{self._stem}_fork{suffix}")
            heads.append(dataclasses.replace(head, source=source))
            head = dataclasses.replace(head, source=Source(kernel=source.kernel, port=1))
        self._heads[name] = [*heads, head]

    def _place(self, kernel: Kernel, *heads: _Head, name: str, node: str | None = None) -> Source:
        """Instantiate `kernel` behind `heads`; returns its first output."""
        inputs = tuple(head.source for head in heads)
        self._placed.append(Placed(name=name, kernel=kernel, inputs=inputs, node=node))
        return Source(kernel=len(self._placed) - 1)

    def _node(self, node: Node, heads: list[_Head], befores: list[Stream]) -> _Head:
        """The kernel of a node and what its inputs need; a node that is a wire has none."""
        if node.is_wire(*befores):
            return heads[0]
        fold = self._fold(node, heads[0], befores)
        kernel = kernel_for(node).of(node, befores, fold, f"mem/{self._stem}_")
        stem, ready = self._stem, []
        aheads = operand_pixels(self._graph, node) if node.arity > 1 else (None,)
        operands = zip(kernel.ports_in, kernel.widths_in, heads, befores, aheads, strict=True)
        for port, width_bits, head, before, ahead in operands:
            if node.arity > 1:
                self._stem = f"{stem}_{port}"
            if kernel.latency_cycles is None or head.lanes != fold.simd:
                head = self._leave(head, before)
            if isinstance(kernel, UnrolledKernel) and head.gate is None:
                head = self._enter(head, fold.simd, before)
            head = self._convert(head, fold.simd, before)
            words = self._replayed(kernel, head)
            if ahead is not None:
                words = ahead * before.channels // fold.simd
            if words is not None:
                head = self._fifo(head, max(LEAST_FIFO_WORDS, words), before)
            if head.width_bits != width_bits:
                head = self._resize(head, width_bits // fold.simd, before)
            ready.append(head)
        self._stem = stem
        source = self._place(kernel, *ready, name=stem, node=node.name)
        if ready[0].gate is not None:
            self._set_rigid(source.kernel)
        bits = node.output_stream(*befores).element.width_bits
        return _Head(
            source=source,
            lanes=kernel.widths_out[0] // bits,
            element_bits=bits,
            gate=ready[0].gate,
            latency_cycles=ready[0].latency_cycles + (kernel.latency_cycles or 0),
        )

    def _enter(self, head: _Head, lanes: int, stream: Stream) -> _Head:
        """A gate before kernels that never stop, and take `lanes` elements; see `_leave`.

        Of a word that has more than these it passes the low ones, if they are the whole image.
        """
        if not lanes == stream.elements <= head.lanes:
            head = self._convert(head, lanes, stream)
        gate = CreditGateKernel(
            input_width_bits=head.width_bits,
            output_width_bits=lanes * head.element_bits,
            credits=1,  # `_leave` knows how many
            image_words=-(-stream.elements // lanes),
        )
        source = self._place(gate, head, name=f"{self._stem}_gate")
        self._set_rigid(source.kernel)
        return dataclasses.replace(head, source=source, lanes=lanes, gate=source.kernel)

    def _set_rigid(self, number: int) -> None:
        self._placed[number] = dataclasses.replace(self._placed[number], rigid=True)

    def _leave(self, head: _Head, stream: Stream) -> _Head:
        """A FIFO behind kernels that never stop, if there are any."""
        if head.gate is None:
            return head
        words = max(_LEAST_CREDITS, head.latency_cycles + _GATE_CYCLES)
        out = self._fifo(head, words, stream, suffix="credits")
        fifo = self._placed[out.source.kernel].kernel
        assert isinstance(fifo, StreamFifoKernel)
        placed = self._placed[head.gate]
        assert isinstance(placed.kernel, CreditGateKernel)
        gate = dataclasses.replace(placed.kernel, credits=fifo.depth_words)
        self._placed[head.gate] = dataclasses.replace(placed, kernel=gate, back=out.source)
        return dataclasses.replace(out, gate=None, latency_cycles=0)

    def _fold(self, node: Node, head: _Head, befores: list[Stream]) -> Fold:
        """As given for a matrix-vector unit, else as its kernel wants it."""
        if node.name in self._folding:
            return self._folding[node.name]
        match kernel_for(node).wanted:
            case Wanted.OWN:
                lanes: int | None = head.lanes
            case Wanted.READER:
                readers = [n.name for n in self._graph.mvus if node.name in self._sources[n.name]]
                lanes = self._folding[readers[0]].simd if len(readers) == 1 else None
            case Wanted.FEWEST:
                lanes = None
            case unknown:
                assert_never(unknown)
        return choose_fold(node, befores, lanes, self._interval)

    def _replayed(self, kernel: Kernel, head: _Head) -> int | None:
        """Words of a FIFO right before a kernel with one input, if it wants one."""
        words, number = kernel.replayed_words, head.source.kernel
        if head.source == S_AXIS:
            return words and 0
        before = self._placed[number]
        widened = before.kernel.in_bits < before.kernel.out_bits
        held = before.kernel.holds_input or (before.inputs == (S_AXIS,) and not widened)
        return 0 if words and held else words

    def _convert(self, head: _Head, lanes: int, stream: Stream) -> _Head:
        """Words of `lanes` elements from here on, each as wide as the node before made it."""
        if lanes != head.lanes:
            aligned = stream.channels % lanes == stream.channels % head.lanes == 0
            frame = stream.channels if aligned else stream.elements
            converter = StreamWidthConverterKernel(
                input_width_bits=head.width_bits,
                output_width_bits=lanes * head.element_bits,
                frame_bits=frame * head.element_bits,
                frames=stream.elements // frame,
            )
            source = self._place(converter, head, name=f"{self._stem}_width")
            head = dataclasses.replace(head, source=source, lanes=lanes)
        if stream.element.width_bits != head.element_bits:
            if head.source == S_AXIS or len(self._placed[head.source.kernel].widths_out) > 1:
                head = self._fifo(head, LEAST_FIFO_WORDS, stream, suffix="bytes_fifo")
            head = self._resize(head, stream.element.width_bits, stream)
        return head

    def _fifo(
        self, head: _Head, depth_words: int, stream: Stream, *, suffix: str = "fifo"
    ) -> _Head:
        name = f"{self._stem}_{suffix}"
        kernel = StreamFifoKernel(
            width_bits=head.width_bits,
            depth_words=self._depths.get(name, depth_words),
            image_words=-(-stream.elements // head.lanes),
        )
        return dataclasses.replace(head, source=self._place(kernel, head, name=name))

    def _resize(self, head: _Head, element_bits: int, stream: Stream) -> _Head:
        """Wider or narrower elements, right behind the kernel that makes them."""
        resize = ResizeElementsKernel(
            elements=head.lanes,
            in_bits=head.element_bits,
            out_bits=element_bits,
            signed=stream.element.signed,
        )
        number = head.source.kernel
        self._placed[number] = dataclasses.replace(self._placed[number], resize=resize)
        self._nodes = [
            dataclasses.replace(node, element_bits=element_bits)
            if node.source == head.source
            else node
            for node in self._nodes
        ]
        return dataclasses.replace(head, element_bits=element_bits)

    def _finish(self, head: _Head, stream: Stream) -> Network:
        """To m_axis: whole bytes, the stream's width, a FIFO."""
        self._stem = "out"
        head = self._leave(head, stream)
        bits = _bytes(stream)
        if bits != head.element_bits:
            head = self._resize(head, bits, stream)
        converter = StreamWidthConverterKernel(
            input_width_bits=head.width_bits,
            output_width_bits=axis_bits(stream.elements * bits, self._interval),
            frame_bits=stream.elements * bits,
        )
        while converter.cycles_per_image > self._interval:
            converter = dataclasses.replace(
                converter, output_width_bits=2 * converter.output_width_bits
            )
        if converter.input_width_bits != converter.output_width_bits:
            source = self._place(converter, head, name="out_width")
            head = _Head(
                source=source, lanes=converter.output_width_bits // bits, element_bits=bits
            )
        self._fifo(head, LEAST_FIFO_WORDS, stream)
        fifos = {part.name for part in self._placed if isinstance(part.kernel, StreamFifoKernel)}
        unknown = sorted(set(self._depths) - fifos)
        if unknown:
            raise DesignError(
                f"{self._graph.name}: {unknown[0]} is no FIFO of this network",
                remedy="size the FIFOs again, with this folding",
            )
        return Network(
            placed=tuple(self._placed),
            nodes=tuple(self._nodes),
            input_element_bits=input_element_bits(self._graph.input.stream),
            result_bits=bits,
            results=stream.elements,
            signed=stream.element.signed,
        )


def _bytes(stream: Stream) -> int:
    """The width in which an integer travels to or from a host."""
    wanted = stream.element.width_bits
    bits = next((bits for bits in _RESULT_BITS if bits >= wanted), None)
    if bits is None:
        raise DesignError(f"results: wanted at most {_RESULT_BITS[-1]} bits, got {wanted}")
    return bits
