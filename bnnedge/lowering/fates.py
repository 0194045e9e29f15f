"""What became of the nodes of a graph, one by one."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bnnedge.errors import LoweringError
from bnnedge.lowering.origins import Origins


class Became(enum.Enum):
    """What a node of a graph became.

    NODE: it is a node of the Dataflow: a layer, a join, a pool, an arg-max.
    THRESHOLDS: what it computes was enumerated.
    SAME: it moves values, or scales integers, and what takes them takes them as they are.
    WINDOW: it pads.
    ENCODING: the host does it, on the way in.
    TABLE: the host does it, on the way out.
    HOST: it is left to the host, and not part of the Dataflow.
    REMOVED: a step of tidying up needed it no more.
    REFUSED: the lowering stops at it.
    LEFT: nothing yet.
    """

    NODE = "node"
    THRESHOLDS = "thresholds"
    SAME = "same"
    WINDOW = "window"
    ENCODING = "encoding"
    TABLE = "table"
    HOST = "host"
    REMOVED = "removed"
    REFUSED = "refused"
    LEFT = "left"


_TEXTS = {
    Became.NODE: "becomes {}",
    Became.THRESHOLDS: "in the thresholds of {}",
    Became.SAME: "changes no integer that {} takes",
    Became.WINDOW: "in the window of {}",
    Became.ENCODING: "on the host, in the encoding of the input",
    Became.TABLE: "on the host, in the table of the outputs",
    Became.HOST: "left to the host",
    Became.REMOVED: "removed by {}",
    Became.REFUSED: "refused",
    Became.LEFT: "not lowered",
}
"""{} being the places."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of a node.

    Attributes:
        node: its name, as errors cite it.
        op: its type in the file.
        became: what.
        places: nodes of the Dataflow, or the step of tidying up; none for what the host does.
    """

    node: str
    op: str
    became: Became
    places: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What became of it, e.g. "in the thresholds of mvu_0"."""
        return _TEXTS[self.became].format(" and ".join(self.places))


Said = tuple[Became, tuple[str, ...]]


class RefusedError(LoweringError):
    """A graph that cannot become a Dataflow, with what became of its nodes up to there.

    Attributes:
        fates: of every node of the file.
    """

    def __init__(self, error: LoweringError, fates: tuple[Fate, ...]) -> None:
        super().__init__(error.message, remedy=error.remedy)
        self.fates = fates


def lines_of(fates: Iterable[Fate]) -> list[str]:
    """A line a node."""
    return [f"{fate.node} ({fate.op}): {fate.text}" for fate in fates]


def fates_in(origins: Origins, known: Mapping[str, Said]) -> tuple[Fate, ...]:
    """The fates of the nodes of a file.

    Args:
        origins: where they are.
        known: what became of the nodes of the tidy graph, by name; nothing yet of others.
    """
    said: dict[str, Said] = {
        name: (Became.REMOVED, (step,)) for name, step in origins.removed.items()
    }
    for name, now in origins.now.items():
        said[name] = known.get(now, (Became.LEFT, ()))
    return tuple(
        Fate(node=node.name, op=node.op, became=said[node.name][0], places=said[node.name][1])
        for node in origins.nodes
    )
