"""A Dataflow and its folding as a chain of kernels, from s_axis to m_axis."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bnnedge.dataflow import (
    ArgMax,
    Dataflow,
    Flatten,
    IntegerMvu,
    MaxPool,
    ScoreTable,
    SlidingWindow,
    Stream,
    SumPool,
    Threshold,
    XnorMvu,
)
from bnnedge.errors import DesignError
from bnnedge.hardware.core import Placed, identifier
from bnnedge.hardware.folding import (
    Fold,
    Folding,
    axis_bits,
    interval_of,
    is_wire,
    window_lanes,
)
from bnnedge.hardware.kernels import (
    ArgMaxKernel,
    IntegerMvuKernel,
    Kernel,
    MvuKernel,
    ResizeElementsKernel,
    ScoreTableKernel,
    SlidingWindowKernel,
    StreamFifoKernel,
    StreamWidthConverterKernel,
    ThresholdKernel,
    XnorMvuKernel,
    divisors,
    pool_kernel,
)

_RESULT_BITS = (8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class NodeStream:
    """Where a node's output can be seen.

    Attributes:
        node: name of the Dataflow node.
        behind: index in the chain of the kernel that it comes out of; −1: it is the input stream.
        lanes: elements in a word.
        element_bits: bits of each.
    """

    node: str
    behind: int
    lanes: int
    element_bits: int


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The kernels of a network.

    Attributes:
        placed: in the order of the data.
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


def build_chain(graph: Dataflow, folding: Folding) -> Chain:
    """The stream kernels of a network, folded.

    Before every MVU stands a FIFO. It cuts the combinational ready path, and where the MVU replays
    its input it holds one vector, so that the layer before never waits for the replay; a sliding
    window of the same width waits without loss, because it holds its pixels itself.

    Raises:
        DesignError: results of more than 32 bits.
    """
    return _Builder(graph, folding).build()


class _Builder:
    """Appends kernels, and keeps the form of the stream behind the last one."""

    def __init__(self, graph: Dataflow, folding: Folding) -> None:
        self._graph = graph
        self._folding = folding
        self._interval = interval_of(graph, folding)
        self._placed: list[Placed] = []
        self._nodes: list[NodeStream] = []
        stream = graph.input.stream
        self._element_bits = input_element_bits(stream)
        width = axis_bits(stream.elements * self._element_bits, self._interval)
        self._lanes = width // self._element_bits

    def build(self) -> Chain:
        graph = self._graph
        streams = graph.streams()
        for index, (node, before, after) in enumerate(
            zip(graph.nodes, streams, streams[1:], strict=False)
        ):
            self._stem = f"{index}_{identifier(node.name)}"
            kernel: Kernel | None = None
            match node:
                case SlidingWindow() if not is_wire(node, before):
                    kernel = self._window(node, before, graph.nodes[index + 1 :])
                case XnorMvu() | IntegerMvu():
                    kernel = self._mvu(node, before)
                case MaxPool() | SumPool():
                    kernel = self._pool(node, before, after)
                case Threshold():
                    kernel = self._threshold(node, before)
                case ScoreTable():
                    kernel = self._score_table(node, before)
                case ArgMax():
                    kernel = self._arg_max(before)
                case SlidingWindow() | Flatten():
                    pass
            if kernel is not None:
                self._placed.append(Placed(name=self._stem, kernel=kernel, node=node.name))
                self._element_bits = after.element.width_bits
                self._lanes = kernel.out_bits // self._element_bits
            self._nodes.append(
                NodeStream(
                    node=node.name,
                    behind=len(self._placed) - 1,
                    lanes=self._lanes,
                    element_bits=self._element_bits,
                )
            )
        return self._finish(streams[-1])

    def _window(
        self, node: SlidingWindow, before: Stream, behind: Iterable[object]
    ) -> SlidingWindowKernel:
        follower = next((n for n in behind if isinstance(n, XnorMvu | IntegerMvu)), None)
        fold = None if follower is None else self._folding[follower.name]
        lanes = window_lanes(node, before, fold, self._interval)
        self._convert(lanes, before)
        return SlidingWindowKernel(
            name=node.name,
            window=node.window,
            shape=_map_shape(before),
            element_bits=before.element.width_bits,
            simd=lanes,
            groups=node.groups,
            fill=node.fill,
        )

    def _mvu(self, node: XnorMvu | IntegerMvu, before: Stream) -> MvuKernel:
        fold = self._folding[node.name]
        self._convert(fold.simd, before)
        kernel = mvu_kernel(node, fold, before, memory_prefix=f"mem/{self._stem}_")
        from_window = bool(self._placed) and isinstance(
            self._placed[-1].kernel, SlidingWindowKernel
        )
        self._fifo(max(2, 0 if from_window else kernel.replayed_words), before)
        return kernel

    def _pool(self, node: MaxPool | SumPool, before: Stream, after: Stream) -> Kernel:
        def kernel(lanes: int) -> Kernel:
            return pool_kernel(
                name=node.name,
                window=node.window,
                shape=_map_shape(before),
                conjunction=node.conjunction if isinstance(node, MaxPool) else None,
                element_bits=before.element.width_bits,
                result_bits=after.element.width_bits,
                lanes=lanes,
                memory_prefix=f"mem/{self._stem}_",
            )

        return self._narrowest(kernel, before)

    def _threshold(self, node: Threshold, before: Stream) -> Kernel:
        def kernel(lanes: int) -> Kernel:
            return ThresholdKernel(
                node=node,
                element=before.element,
                pe=lanes,
                pixels=before.elements // before.channels,
                memory_prefix=f"mem/{self._stem}_",
            )

        return self._narrowest(kernel, before)

    def _score_table(self, node: ScoreTable, before: Stream) -> Kernel:
        def kernel(lanes: int) -> Kernel:
            return ScoreTableKernel(
                node=node,
                element=before.element,
                pe=lanes,
                memory_prefix=f"mem/{self._stem}_",
            )

        return self._narrowest(kernel, before)

    def _arg_max(self, before: Stream) -> Kernel:
        def kernel(lanes: int) -> Kernel:
            return ArgMaxKernel(
                elements=before.channels, pe=lanes, element_bits=before.element.width_bits
            )

        return self._narrowest(kernel, before)

    def _narrowest(self, kernel: Callable[[int], Kernel], before: Stream) -> Kernel:
        """The kernel with the stream's own lanes if it keeps up, else with the fewest that do."""
        options = divisors(before.channels)
        for lanes in (*([self._lanes] if self._lanes in options else []), *options):
            candidate = kernel(lanes)
            if candidate.cycles_per_image <= self._interval:
                break
        self._convert(lanes, before)
        return candidate

    def _convert(self, lanes: int, stream: Stream) -> None:
        """Words of `lanes` elements from here on, each as wide as the node before made it."""
        if lanes != self._lanes:
            aligned = stream.channels % lanes == stream.channels % self._lanes == 0
            frame = stream.channels if aligned else stream.elements
            self._placed.append(
                Placed(
                    name=f"{self._stem}_width",
                    kernel=StreamWidthConverterKernel(
                        input_width_bits=self._lanes * self._element_bits,
                        output_width_bits=lanes * self._element_bits,
                        frame_bits=frame * self._element_bits,
                        frames=stream.elements // frame,
                    ),
                )
            )
            self._lanes = lanes
        if stream.element.width_bits != self._element_bits:
            if not self._placed:
                self._fifo(2, stream)
            self._resize(stream.element.width_bits, signed=stream.element.signed)

    def _fifo(self, depth_words: int, stream: Stream) -> None:
        self._placed.append(
            Placed(
                name=f"{self._stem}_fifo",
                kernel=StreamFifoKernel(
                    width_bits=self._lanes * self._element_bits,
                    depth_words=depth_words,
                    image_words=-(-stream.elements // self._lanes),
                ),
            )
        )

    def _resize(self, element_bits: int, *, signed: bool) -> None:
        resize = ResizeElementsKernel(
            elements=self._lanes,
            in_bits=self._element_bits,
            out_bits=element_bits,
            signed=signed,
        )
        self._placed[-1] = dataclasses.replace(self._placed[-1], resize=resize)
        self._element_bits = element_bits

    def _finish(self, stream: Stream) -> Chain:
        """To m_axis: whole bytes, the stream's width, a FIFO."""
        signed = stream.element.signed
        bits = _bytes(stream)
        if bits != self._element_bits:
            last = len(self._placed) - 1
            self._resize(bits, signed=signed)
            self._nodes = [
                dataclasses.replace(node, element_bits=bits) if node.behind == last else node
                for node in self._nodes
            ]
        converter = StreamWidthConverterKernel(
            input_width_bits=self._lanes * bits,
            output_width_bits=axis_bits(stream.elements * bits, self._interval),
            frame_bits=stream.elements * bits,
        )
        while converter.cycles_per_image > self._interval:
            converter = dataclasses.replace(
                converter, output_width_bits=2 * converter.output_width_bits
            )
        if converter.input_width_bits != converter.output_width_bits:
            self._placed.append(Placed(name="out_width", kernel=converter))
        self._stem = "out"
        self._lanes = converter.output_width_bits // bits
        self._fifo(2, stream)
        return Chain(
            placed=tuple(self._placed),
            nodes=tuple(self._nodes),
            input_element_bits=input_element_bits(self._graph.input.stream),
            result_bits=bits,
            results=stream.elements,
            signed=signed,
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
