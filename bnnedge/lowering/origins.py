"""Where the nodes of a file are while it is tidied up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A node of the file.

    Attributes:
        name: as errors cite it.
        op: its type.
    """

    name: str
    op: str


def names_of(nodes: "Sequence[onnx.NodeProto]") -> list[str]:
    """The exporter's names, which errors cite; for the nameless, and duplicates, names of ours."""
    taken: set[str] = set()
    names = []
    for index, node in enumerate(nodes):
        name = node.name or f"{node.op_type}_{index}"
        while name in taken:
            name = f"{name}_{index}"
        taken.add(name)
        names.append(name)
    return names


@dataclass(kw_only=True)
class Origins:
    """The nodes of a file, followed through the steps that change the graph.

    A node whose name is gone is the one that now makes one of its tensors; if none does, the step
    has removed it.

    Attributes:
        nodes: in the order of the file.
        now: name of the node that each one has become, by its own.
        removed: the step that removed a node, by the node's name.
    """

    nodes: tuple[Origin, ...]
    now: dict[str, str]
    removed: dict[str, str] = field(default_factory=dict)
    _outputs: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, nodes: "Sequence[onnx.NodeProto]") -> "Origins":
        """Of the nodes of a file."""
        names = names_of(nodes)
        pairs = list(zip(names, nodes, strict=True))
        return cls(
            nodes=tuple(Origin(name=name, op=node.op_type) for name, node in pairs),
            now={name: name for name in names},
            _outputs={name: tuple(node.output) for name, node in pairs},
        )

    def follow(self, step: str, nodes: "Iterable[onnx.NodeProto]") -> None:
        """Take note of what a step has made of the graph."""
        outputs = {node.name: tuple(node.output) for node in nodes}
        makers = {tensor: name for name, made in outputs.items() for tensor in made if tensor}
        for name, before in list(self.now.items()):
            if before in outputs:
                continue
            makes = [makers[tensor] for tensor in self._outputs[before] if tensor in makers]
            if makes:
                self.now[name] = makes[0]
            else:
                del self.now[name]
                self.removed[name] = step
        self._outputs = outputs
