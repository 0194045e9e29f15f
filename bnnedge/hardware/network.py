"""A Dataflow and its folding as kernels between s_axis and m_axis."""

import dataclasses
from dataclasses import dataclass

from bnnedge.dataflow import (
    INPUT,
    Add,
    ArgMax,
    Concat,
    Crop,
    Dataflow,
    Flatten,
    IntegerMvu,
    MaxPool,
    MultiThreshold,
    Node,
    PadChannels,
    ScoreTable,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    XnorMvu,
)
from bnnedge.design import LEAST_FIFO_WORDS
from bnnedge.errors import DesignError
from bnnedge.hardware.core import S_AXIS, Placed, Source
from bnnedge.hardware.fifos import FifoDepths, operand_pixels
from bnnedge.hardware.folding import (
    Fold,
    Folding,
    axis_bits,
    interval_of,
    is_wire,
    join_lanes,
    lane_options,
    window_lanes,
)
from bnnedge.hardware.kernels import (
    AddKernel,
    ArgMaxKernel,
    ConcatKernel,
    CropKernel,
    IntegerMvuKernel,
    Kernel,
    MvuKernel,
    PadChannelsKernel,
    ResizeElementsKernel,
    ScoreTableKernel,
    SlidingWindowKernel,
    StreamFifoKernel,
    StreamForkKernel,
    StreamWidthConverterKernel,
    ThresholdKernel,
    TopKKernel,
    XnorMvuKernel,
    multi_threshold_kernel,
    pool_kernel,
)
from bnnedge.names import identifier

_RESULT_BITS = (8, 16, 32)


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


def input_element_bits(stream: Stream) -> int:
    """What an element takes on s_axis: a bit, or whole bytes, so that drivers copy arrays."""
    return stream.element.width_bits if stream.element.bipolar else _bytes(stream)


def build_network(graph: Dataflow, folding: Folding, depths: FifoDepths) -> Network:
    """The stream kernels of a network, folded.

    Before every MVU stands a FIFO. It cuts the combinational ready path, and where the MVU replays
    its input it holds one vector, so that the layer before never waits for the replay; a sliding
    window of the same width waits without loss, because it holds its pixels itself.

    Before each operand of an Add or Concat stands a FIFO that holds what comes while the other
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
            match node:
                case Add() | Concat():
                    head = self._join(node, heads, befores, streams[node.name])
                case Flatten():
                    head = heads[0]
                case SlidingWindow() if is_wire(node, befores[0]):
                    head = heads[0]
                case _:
                    head = self._node(node, heads[0], befores[0], streams[node.name])
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

    def _node(self, node: Node, head: _Head, before: Stream, after: Stream) -> _Head:
        """The kernel of a node with one input."""
        match node:
            case SlidingWindow():
                kernel, head = self._window(node, head, before)
            case XnorMvu() | IntegerMvu():
                kernel, head = self._mvu(node, head, before)
            case _:
                kernel, head = self._narrowest(node, head, before, after)
        return self._behind(kernel, head, node=node.name, stream=after)

    def _behind(self, kernel: Kernel, *heads: _Head, node: str, stream: Stream) -> _Head:
        source = self._place(kernel, *heads, name=self._stem, node=node)
        bits = stream.element.width_bits
        return _Head(source=source, lanes=kernel.widths_out[0] // bits, element_bits=bits)

    def _window(self, node: SlidingWindow, head: _Head, before: Stream) -> tuple[Kernel, _Head]:
        readers = [n for n in self._graph.mvus if self._sources[n.name] == (node.name,)]
        fold = self._folding[readers[0].name] if len(readers) == 1 else None
        lanes = window_lanes(node, before, fold, self._interval)
        kernel = SlidingWindowKernel(
            name=node.name,
            window=node.window,
            shape=_map_shape(before),
            element_bits=before.element.width_bits,
            simd=lanes,
            groups=node.groups,
            fill=node.fill,
        )
        return kernel, self._convert(head, lanes, before)

    def _mvu(self, node: XnorMvu | IntegerMvu, head: _Head, before: Stream) -> tuple[Kernel, _Head]:
        fold = self._folding[node.name]
        head = self._convert(head, fold.simd, before)
        kernel = mvu_kernel(node, fold, before, memory_prefix=self._memory)
        number = head.source.kernel
        from_window = number >= 0 and isinstance(self._placed[number].kernel, SlidingWindowKernel)
        depth = max(LEAST_FIFO_WORDS, 0 if from_window else kernel.replayed_words)
        return kernel, self._fifo(head, depth, before)

    def _join(
        self, node: Add | Concat, heads: list[_Head], befores: list[Stream], after: Stream
    ) -> _Head:
        lanes = join_lanes(node, befores, heads[0].lanes, self._interval)
        aheads = operand_pixels(self._graph, node)
        stem, ready = self._stem, []
        for side, head, before, ahead in zip("ab", heads, befores, aheads, strict=True):
            self._stem = f"{stem}_{side}"
            head = self._convert(head, lanes, before)
            words = ahead * before.channels // lanes
            head = self._fifo(head, max(LEAST_FIFO_WORDS, words), before)
            if isinstance(node, Concat) and before.element != after.element:
                head = self._resize(head, after.element.width_bits, before)
            ready.append(head)
        self._stem = stem
        kernel: Kernel
        if isinstance(node, Add):
            kernel = AddKernel(
                a=befores[0].element,
                b=befores[1].element,
                factors=node.factors,
                result_bits=after.element.width_bits,
                lanes=lanes,
                image_words=after.elements // lanes,
            )
        else:
            kernel = ConcatKernel(
                width_bits=ready[0].width_bits,
                a_words=befores[0].channels // lanes,
                b_words=befores[1].channels // lanes,
                pixels=after.elements // after.channels,
            )
        return self._behind(kernel, *ready, node=node.name, stream=after)

    @property
    def _memory(self) -> str:
        return f"mem/{self._stem}_"

    def _kernel(self, node: Node, lanes: int, before: Stream, after: Stream) -> Kernel:
        """The kernel of a node that takes any number of lanes."""
        pixels = before.elements // before.channels
        match node:
            case MaxPool() | SumPool():
                return pool_kernel(node, before, lanes, memory_prefix=self._memory)
            case Threshold():
                return ThresholdKernel(
                    node=node,
                    element=before.element,
                    pe=lanes,
                    pixels=pixels,
                    memory_prefix=self._memory,
                )
            case MultiThreshold():
                return multi_threshold_kernel(
                    name=node.name,
                    thresholds=node.thresholds,
                    invert=node.invert,
                    low=node.low,
                    element_bits=before.element.width_bits,
                    result=after.element,
                    pe=lanes,
                    pixels=pixels,
                    memory_prefix=self._memory,
                )
            case PadChannels():
                return PadChannelsKernel(
                    element_bits=before.element.width_bits,
                    lanes=lanes,
                    before_words=node.before // lanes,
                    in_words=before.channels // lanes,
                    after_words=node.after // lanes,
                    pixels=pixels,
                )
            case Crop():
                height, width, channels = _map_shape(before)
                return CropKernel(
                    word_bits=lanes * before.element.width_bits,
                    pixel_words=channels // lanes,
                    height=height,
                    width=width,
                    top=node.top,
                    left=node.left,
                )
            case ScoreTable():
                return ScoreTableKernel(
                    node=node, element=before.element, pe=lanes, memory_prefix=self._memory
                )
            case ArgMax():
                bits = before.element.width_bits
                if node.k > 1:
                    return TopKKernel(elements=before.channels, k=node.k, element_bits=bits)
                return ArgMaxKernel(elements=before.channels, pe=lanes, element_bits=bits)
            case _:
                raise AssertionError(f"{node.name}: {type(node).__name__} has no lanes")

    def _narrowest(
        self, node: Node, head: _Head, before: Stream, after: Stream
    ) -> tuple[Kernel, _Head]:
        """The kernel with the stream's own lanes if it keeps up, else with the fewest that do.

        A lane of a MultiThreshold is a tree of comparators, so there the fewest are better.
        """
        options = lane_options(node, [before])
        own = head.lanes in options and not isinstance(node, MultiThreshold)
        for lanes in (*([head.lanes] if own else []), *options):
            kernel = self._kernel(node, lanes, before, after)
            if kernel.cycles_per_image <= self._interval:
                break
        return kernel, self._convert(head, lanes, before)

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
        self._stem = "out"
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


def mvu_kernel(
    node: XnorMvu | IntegerMvu, fold: Fold, before: Stream, *, memory_prefix: str = ""
) -> MvuKernel:
    """The kernel of a matrix-vector unit whose input is `before`."""
    pixels = before.elements // before.channels
    if isinstance(node, XnorMvu):
        return XnorMvuKernel(
            node=node, pe=fold.pe, simd=fold.simd, pixels=pixels, memory_prefix=memory_prefix
        )
    return IntegerMvuKernel(
        node=node,
        element=before.element,
        pe=fold.pe,
        simd=fold.simd,
        pixels=pixels,
        memory_prefix=memory_prefix,
    )


def _map_shape(stream: Stream) -> tuple[int, int, int]:
    height, width, channels = stream.shape
    return height, width, channels


def _bytes(stream: Stream) -> int:
    """The width in which an integer travels to or from a host."""
    wanted = stream.element.width_bits
    bits = next((bits for bits in _RESULT_BITS if bits >= wanted), None)
    if bits is None:
        raise DesignError(f"results: wanted at most {_RESULT_BITS[-1]} bits, got {wanted}")
    return bits
