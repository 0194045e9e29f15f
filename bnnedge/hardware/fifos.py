"""How much a FIFO before a join must hold, so that branches never wait for each other in a circle.

A join takes pixel m of both operands together. If the branch of operand b needs the stream that
both branches come from up to pixel n for it, operand a's branch has by then been given all that it
needs for some more pixels, and a FIFO that does not hold these would stop the stream that b waits
for. `n` is the same at any speed, so it follows from windows alone.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import INPUT, Dataflow, Node
from bnnedge.design import LEAST_FIFO_WORDS
from bnnedge.errors import DesignError
from bnnedge.files import load_json

FIFOS_FILE = "fifos.json"
FifoDepths = Mapping[str, int]
_MOST_FIFO_WORDS = 1 << 24  # longer than any image
_SLACK_PIXELS = 2  # what a kernel may take in advance, and what is on its way between two


def operand_pixels(graph: Dataflow, join: Node) -> tuple[int, int]:
    """Pixels that the FIFOs before both operands of a join hold."""
    streams, sources = graph.streams(), graph.sources
    base = _last_common_stream(sources, join.name)
    pixels = streams[base].shape[:-1]
    needs = {base: np.arange(1, math.prod(pixels) + 1).reshape(pixels)}
    for node in graph.nodes:
        if node is join:
            break
        if node.name not in needs and all(name in needs for name in sources[node.name]):
            needs[node.name] = node.pixels_needed(*(needs[name] for name in sources[node.name]))
    first, second = (needs[name].reshape(-1) for name in sources[join.name])
    return _ahead(first, second), _ahead(second, first)


def _last_common_stream(sources: Mapping[str, tuple[str, ...]], join: str) -> str:
    """The last stream that all paths from the input to either operand of a join pass."""
    passed: dict[str, list[str]] = {INPUT: [INPUT]}  # by all paths to a node, in order
    for name, operands in sources.items():
        first, *others = (passed[operand] for operand in operands)
        common = [one for one in first if all(one in other for other in others)]
        if name == join:
            return common[-1]
        passed[name] = [*common, name]
    raise AssertionError(f"{join} is no node")


def _ahead(own: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Pixels that an operand may be ahead when the other one has its next pixel."""
    given = np.searchsorted(own, other, side="right")
    return int((given - np.arange(len(own))).max()) + _SLACK_PIXELS


def write_depths(path: Path, depths: FifoDepths) -> None:
    """Write what `read_depths` reads."""
    path.write_text(json.dumps(depths, indent=1) + "\n", encoding="utf-8")


def read_depths(path: Path) -> FifoDepths:
    """Read {"<FIFO>": words}.

    Raises:
        DesignError: unreadable, or a depth is no number of 2 to 2^24 words.
    """
    record = load_json(path, raises=DesignError)
    if not isinstance(record, dict) or not record:
        raise DesignError(f'{path}: wanted {{"<FIFO>": words}}, got {type(record).__name__}')
    for name, words in record.items():
        if type(words) is not int or words < LEAST_FIFO_WORDS:
            raise DesignError(
                f"{path}: {name}: wanted {LEAST_FIFO_WORDS} words or more, got {words!r:.80}"
            )
        if words > _MOST_FIFO_WORDS:
            raise DesignError(
                f"{path}: {name}: wanted {_MOST_FIFO_WORDS:,} words or less, got {words:,}"
            )
    return record
