"""Depths of the FIFOs before joins, against pixels that move one by one."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import (
    INPUT,
    Add,
    Concat,
    Crop,
    Dataflow,
    Flatten,
    MaxPool,
    Node,
    SlidingWindow,
    SumPool,
    Window,
)
from bnnedge.design import Design
from bnnedge.equality import stimuli
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.fifos import operand_pixels
from bnnedge.simulation import PATTERNS
from bnnedge.verilated.stalls import NO_STALLS
from bnnedge.verilated.stream import StuckError
from tests.hardware.bench import run_network
from tests.networks.branches import one_residual, random_branches

SPARE = 2  # pixels that a FIFO holds beyond what it must


class Pixels:
    """A node that takes pixels of one stream and gives pixels, as early as it can.

    `wanted` holds how many of an image each of its pixels waits for: what it sees, or the first one
    where that is nothing but padding, and the pixels before it.
    """

    def __init__(self, node: Node, shape: tuple[int, ...]) -> None:
        pixels = int(np.prod(shape[:-1]))
        wanted = list(range(1, pixels + 1))
        match node:
            case Flatten():
                wanted = [pixels]
            case Crop():
                height, width = shape[:2]
                rows, columns = range(node.top, height), range(node.left, width)
                wanted = [row * width + column + 1 for row in rows for column in columns]
            case SlidingWindow() | MaxPool() | SumPool():
                wanted = _seen(node.window, shape[0], shape[1])
        self.pixels, self.taken, self.given = pixels, 0, 0
        self.wanted = list(itertools.accumulate(wanted, max))

    @property
    def pending(self) -> bool:
        """Whether it has a pixel to give."""
        images, place = divmod(self.given, len(self.wanted))
        return self.taken >= images * self.pixels + self.wanted[place]


def _seen(window: Window, height: int, width: int) -> list[int]:
    """The last pixel that each window sees."""
    wanted = []
    for row, column in itertools.product(*map(range, window.output_size(height, width))):
        seen = [1]
        for tap in itertools.product(*map(range, window.kernel)):
            y = row * window.stride[0] + tap[0] * window.dilation[0] - window.padding[0]
            x = column * window.stride[1] + tap[1] * window.dilation[1] - window.padding[1]
            if 0 <= y < height and 0 <= x < width:
                seen.append(y * width + x + 1)
        wanted.append(max(seen))
    return wanted


def highest_marks(graph: Dataflow, join: Node, images: int = 3) -> tuple[int, int]:
    """Most pixels of either operand that wait for the other, if they always come first.

    The stream that both operands come from moves a pixel whenever everything behind it is done.
    """
    streams, sources = graph.streams(), graph.sources
    base = _base(sources, join.name)
    nodes = {node.name: Pixels(node, streams[sources[node.name][0]].shape) for node in graph.nodes}
    counts = {base: 0}
    came: list[list[int]] = []
    for _ in range(images * streams[base].elements // streams[base].channels):
        counts[base] += 1
        for name, node in nodes.items():
            if name == base or not all(source in counts for source in sources[name]):
                continue
            node.taken = min(counts[source] for source in sources[name])
            while node.pending:
                node.given += 1
            counts[name] = node.given
        came.append([counts.get(name, 0) for name in sources[join.name]])
    marks = []
    for side in (0, 1):
        queued, most, before = [0, 0], 0, [0, 0]
        for now in came:
            for _ in range(now[side] - before[side]):
                queued[side] += 1
                _join(queued)
                most = max(most, queued[side])
            queued[1 - side] += now[1 - side] - before[1 - side]
            _join(queued)
            before = now
        marks.append(most)
    return marks[0], marks[1]


def _join(queued: list[int]) -> None:
    pairs = min(queued)
    queued[:] = [count - pairs for count in queued]


def _base(sources: Mapping[str, tuple[str, ...]], join: str) -> str:
    """The last stream on all ways from the input to a join."""

    def ways(name: str) -> list[list[str]]:
        if name == INPUT:
            return [[INPUT]]
        return [[*way, name] for source in sources[name] for way in ways(source)]

    first, *others = (way[:-1] for way in ways(join))
    return [name for name in first if all(name in way for way in others)][-1]


class Pixelwise:
    """A network in which a pixel moves at a time, and only the FIFOs before joins hold any.

    A node takes a pixel only once it has given all that it could. A pixel that several nodes read
    goes to each as soon as that one takes it, and is gone when all have it.
    """

    def __init__(self, graph: Dataflow, depths: Mapping[str, tuple[int, int]]) -> None:
        streams, sources = graph.streams(), graph.sources
        self._images_in = streams[INPUT].elements // streams[INPUT].channels
        self._depths = depths
        self._queued = {name: [0, 0] for name in depths}
        self._nodes = {
            node.name: Pixels(node, streams[sources[node.name][0]].shape) for node in graph.nodes
        }
        self._readers: dict[str, list[tuple[str, int]]] = {name: [] for name in streams}
        for name, names in sources.items():
            for side, source in enumerate(names):
                self._readers[source].append((name, side))
        # By stream, where its current pixel has still to go.
        self._waiting: dict[str, list[tuple[str, int]]] = {name: [] for name in streams}

    def gets_through(self, images: int) -> bool:
        """Whether so many images leave nothing behind, and nothing ever waits for itself."""
        pixels = images * self._images_in
        while True:
            moved = [self._deliver(name) for name in self._waiting]
            moved += [self._give(name) for name in self._nodes]
            if pixels and not self._waiting[INPUT]:
                self._waiting[INPUT] = list(self._readers[INPUT])
                pixels -= 1
            elif not any(moved):
                return not pixels and not any(self._waiting.values())

    def _deliver(self, stream: str) -> bool:
        left = [(name, side) for name, side in self._waiting[stream] if not self._takes(name, side)]
        moved = len(left) < len(self._waiting[stream])
        self._waiting[stream] = left
        return moved

    def _takes(self, name: str, side: int) -> bool:
        if name in self._queued:
            room = self._queued[name][side] < self._depths[name][side]
            self._queued[name][side] += room
            return room
        node = self._nodes[name]
        ready = not node.pending and not self._waiting[name]
        node.taken += ready
        return ready

    def _give(self, name: str) -> bool:
        node = self._nodes[name]
        if self._waiting[name]:
            return False
        if name in self._queued and all(self._queued[name]):
            self._queued[name] = [count - 1 for count in self._queued[name]]
        elif name not in self._queued and node.pending:
            node.given += 1
        else:
            return False
        self._waiting[name] = list(self._readers[name])
        return True


def joins_of(graph: Dataflow) -> list[Add | Concat]:
    return [node for node in graph.nodes if isinstance(node, Add | Concat)]


@pytest.mark.parametrize("seed", range(30))
def test_fifos_hold_the_pixels_that_must_wait(seed: int) -> None:
    graph, depths = random_branches(seed), {}
    for join in joins_of(graph):
        first, second = highest_marks(graph, join)
        assert operand_pixels(graph, join) == (first + SPARE, second + SPARE)
        depths[join.name] = (max(1, first), max(1, second))
    assert Pixelwise(graph, depths).gets_through(3)


def test_a_fifo_that_is_too_shallow_sticks(tmp_path: Path, cache: Path) -> None:
    """The first window waits for a row and two pixels, the last of which need not be held."""
    dataflow, width = one_residual(5), 5
    (join,) = joins_of(dataflow)
    sums, codes = operand_pixels(dataflow, join)
    assert codes == width + 2 + SPARE
    (tmp_path / "dataflow").mkdir()
    dataflow.save(tmp_path / "dataflow")
    draft = emit(tmp_path / "dataflow", RtlConfig(target_fps=1e5), tmp_path / "draft").folder
    (fifo,) = (one.name for one in Design.load(draft).fifos if one.name.endswith("sum_b_fifo"))
    encoded = stimuli(dataflow, 6, seed=1)
    for depth in (width, width + 1):
        (tmp_path / "depths.json").write_text(json.dumps({fifo: depth}))
        config = RtlConfig(target_fps=1e5, fifo_depths=tmp_path / "depths.json")
        rtl = emit(tmp_path / "dataflow", config, tmp_path / f"rtl{depth}").folder
        enough = depth > width
        assert Pixelwise(dataflow, {"sum": (sums, depth)}).gets_through(6) == enough
        if enough:
            for stalls in PATTERNS:
                run = run_network(rtl, encoded, cache=cache, stalls=stalls)
                assert (run.values == dataflow.results_of(encoded)).all()
        else:
            with pytest.raises(
                StuckError, match=r"deadlock: 4_sum waits .* 4_sum_b_fifo \(full, 5 words\)"
            ):
                run_network(rtl, encoded, cache=cache, stalls=NO_STALLS)
