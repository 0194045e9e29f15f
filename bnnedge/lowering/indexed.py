"""A graph that nothing changes any more, in types of our own: what is searched for is looked up.

ONNX's messages and qonnx's wrapper around them have no types; behind the reading, nothing but what
runs or copies a node sees them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from numpy.typing import NDArray

from bnnedge.errors import LoweringError

Array = NDArray[np.number | np.bool]  # of whatever type the graph has


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphNode:
    """A node of a graph.

    Attributes:
        name: as errors cite it.
        op_type: what it does.
        domain: whose op that is; "" for ONNX's own.
        input: the tensors that it reads; "" for one that is left out.
        output: the tensors that it makes; "" as there.
        proto: as the file has it, to be run or copied.
    """

    name: str
    op_type: str
    domain: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    proto: onnx.NodeProto

    @classmethod
    def of(cls, proto: onnx.NodeProto) -> "GraphNode":
        """What a file has."""
        return cls(
            name=proto.name,
            op_type=proto.op_type,
            domain=proto.domain,
            input=tuple(proto.input),
            output=tuple(proto.output),
            proto=proto,
        )

    @cached_property
    def _attributes(self) -> Mapping[str, onnx.AttributeProto]:
        return {attribute.name: attribute for attribute in self.proto.attribute}

    def without(self, *attributes: str) -> "GraphNode":
        """A copy without some attributes."""
        proto = onnx.NodeProto()
        proto.CopyFrom(self.proto)
        kept = [given for given in self.proto.attribute if given.name not in attributes]
        del proto.attribute[:]
        proto.attribute.extend(kept)
        return GraphNode.of(proto)

    def has(self, attribute: str) -> bool:
        """Whether the file gives an attribute."""
        return attribute in self._attributes

    def integer(self, attribute: str, default: int) -> int:
        """An integer attribute."""
        found = self._attributes.get(attribute)
        return default if found is None else int(found.i)

    def integers(self, attribute: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """An attribute of several integers."""
        found = self._attributes.get(attribute)
        return tuple(default) if found is None else tuple(int(value) for value in found.ints)

    def real(self, attribute: str, default: float) -> float:
        """A float32 attribute."""
        found = self._attributes.get(attribute)
        return default if found is None else float(found.f)

    def text(self, attribute: str, default: str) -> str:
        """An attribute that is a text."""
        found = self._attributes.get(attribute)
        return default if found is None else str(found.s.decode())


@dataclass(frozen=True, kw_only=True, eq=False)
class IndexedModel:
    """A model to be read; its answers are those of the first time that it was asked.

    Attributes:
        proto: as the file has it; not copied.
    """

    proto: onnx.ModelProto

    @property
    def opset(self) -> int:
        """ONNX's."""
        return int(self.proto.opset_import[0].version)

    @property
    def source(self) -> str:
        """Name of the graph's first input."""
        return str(self.proto.graph.input[0].name)

    @property
    def result(self) -> str:
        """Name of the graph's first output."""
        return str(self.proto.graph.output[0].name)

    @property
    def declares_result(self) -> bool:
        """Whether the shape of that is in the file, or was inferred."""
        return bool(self.proto.graph.output[0].type.tensor_type.HasField("shape"))

    @cached_property
    def nodes(self) -> tuple[GraphNode, ...]:
        """All nodes, in an order in which they can run."""
        return tuple(GraphNode.of(node) for node in self.proto.graph.node)

    @cached_property
    def constants(self) -> Mapping[str, Array]:
        """All constants by name; not to be written to."""
        tensors = self.proto.graph.initializer
        arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in tensors}
        for array in arrays.values():
            array.flags.writeable = False
        return arrays

    @cached_property
    def _shapes(self) -> Mapping[str, list[int]]:
        shapes = {name: list(array.shape) for name, array in self.constants.items()}
        graph = self.proto.graph
        for value in (*graph.value_info, *graph.output, *graph.input):
            shapes[value.name] = [int(dim.dim_value) for dim in value.type.tensor_type.shape.dim]
        return shapes

    @cached_property
    def _readers(self) -> Mapping[str, list[GraphNode]]:
        readers: dict[str, list[GraphNode]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                readers.setdefault(name, []).append(node)
        return readers

    def known_shape(self, tensor: str) -> list[int] | None:
        """The shape of a tensor, or None."""
        return self._shapes.get(tensor)

    def shape(self, tensor: str) -> list[int]:
        """The same where it must be known.

        Raises:
            LoweringError: it is not.
        """
        found = self._shapes.get(tensor)
        if found is None:
            raise LoweringError(
                f"tensor {tensor}: its shape is not known", remedy="export with fixed shapes"
            )
        return found

    def constant(self, node: GraphNode, place: int) -> Array | None:
        """The constant that is a node's input at that place; None if it is left out, or data."""
        return self.constants.get(node.input[place]) if len(node.input) > place else None

    def floats(self, node: GraphNode, place: int) -> NDArray[np.float32]:
        """The same as float32, where it must be there.

        Raises:
            LoweringError: it is not.
        """
        found = self.constant(node, place)
        if found is None:
            raise LoweringError(
                f"node {node.name} ({node.op_type}): wanted a constant as its input {place}",
                remedy="store its parameters in the file",
            )
        return np.asarray(found, np.float32)

    def integers(self, node: GraphNode, place: int) -> NDArray[np.int64] | None:
        """The same as integers in a row; None if it is left out, or data."""
        found = self.constant(node, place)
        return None if found is None else found.reshape(-1).astype(np.int64)

    def readers(self, tensor: str) -> list[GraphNode]:
        """The nodes that read a tensor."""
        return self._readers.get(tensor, [])
