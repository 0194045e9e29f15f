"""From what the nodes of a Dataflow were made of to what became of the nodes of a graph."""

import itertools

from bnnedge.dataflow import ArgMax, Dataflow
from bnnedge.errors import LoweringError
from bnnedge.lowering.fates import Became, Fate, RefusedError, fates_in
from bnnedge.lowering.indexed import GraphNode
from bnnedge.lowering.origins import Origins
from bnnedge.lowering.structure import Region, Structure
from bnnedge.lowering.vocabulary import RESHAPING


class Marks:
    """What became of the nodes of a tidy graph, as they are built."""

    def __init__(self) -> None:
        self._became: dict[str, Became] = {}
        self._places: dict[str, dict[str, None]] = {}

    def mark(self, became: Became, place: str | None, *nodes: GraphNode) -> None:
        """Say what became of nodes; what was said of them before stays, and places are added."""
        for node in nodes:
            said = self._became.setdefault(node.name, became)
            if said is became and place is not None:
                self._places.setdefault(node.name, {})[place] = None

    def enumerated(self, region: Region, place: str) -> None:
        """Say that the nodes of a region are in the thresholds of a node."""
        for node in itertools.chain.from_iterable(region.sections):
            if node.op_type in RESHAPING:
                self.mark(Became.SAME, None, node)
            else:
                self.mark(Became.THRESHOLDS, place, node)

    def fates(self, origins: Origins, structure: Structure, dataflow: Dataflow) -> tuple[Fate, ...]:
        """Of all nodes of the file."""
        self.mark(Became.ENCODING, None, *structure.input)
        self.mark(Became.TABLE, None, *structure.tail)
        classes = [node.name for node in dataflow.nodes if isinstance(node, ArgMax)]
        if structure.top_k is not None and classes:
            self.mark(Became.NODE, classes[0], structure.top_k)
        self.mark(Became.HOST, None, *structure.ending)
        self._follow_readers(structure)
        known = {name: (became, self._of(name)) for name, became in self._became.items()}
        return fates_in(origins, known)

    def _of(self, name: str) -> tuple[str, ...]:
        return tuple(self._places.get(name, ()))

    def _follow_readers(self, structure: Structure) -> None:
        """What changes nothing for a reader is where that one is, and so is all that is left."""
        readers: dict[str, GraphNode] = {}
        for node in reversed(structure.nodes):
            reader = next((readers[name] for name in node.output if name in readers), None)
            if reader is not None and self._became.get(node.name) in (None, Became.SAME):
                pads = node.op_type == "Pad" and self._became[reader.name] is Became.NODE
                became = self._became.setdefault(node.name, Became.WINDOW if pads else Became.SAME)
                for place in self._of(reader.name):
                    self.mark(became, place, node)
            readers.update(dict.fromkeys(node.input, node))


def refused(error: LoweringError, origins: Origins) -> RefusedError:
    """An error with the fates of the nodes of a file; those that it names are refused."""
    named = {
        now: (Became.REFUSED, ()) for now in origins.now.values() if f"node {now} (" in str(error)
    }
    return RefusedError(error, fates_in(origins, named))
