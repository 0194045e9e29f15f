"""Rewriting a parsed model node by node, in time linear in their number."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bnnedge.lowering.execute import QONNX_DOMAIN
from bnnedge.lowering.indexed import Array, GraphNode, IndexedModel

Attribute = int | float | str | list[int]

_QONNX = {"Quant", "IntQuant", "BipolarQuant", "MultiThreshold"}
_REMARK_KEY = "bnnedge.remark"
_AXES_ARE_INPUTS = {
    "ReduceSum": 13,
    "Squeeze": 13,
    "Unsqueeze": 13,
    "ReduceMean": 18,
    "ReduceMax": 18,
}
_CLIP_TAKES_INPUTS = 11


class Rewriter:
    """A model that is written anew: nodes are kept or made, in an order in which they can run.

    Args:
        model: changed by `finish`; its nodes can run in their order.

    Attributes:
        read: the model as it was.
        constants: by name, with those that were made.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.read = IndexedModel(proto=model)
        self.constants: dict[str, Array] = {**self.read.constants}
        self._makers = {name: node for node in self.read.nodes for name in node.output if name}
        self._taken = {
            *(name for node in self.read.nodes for name in (*node.input, *node.output)),
            *self.constants,
            *(value.name for value in (*model.graph.input, *model.graph.output)),
        }
        self._ops = {node.name: node.op_type for node in self.read.nodes}
        self._made: list[onnx.NodeProto] = []
        self.is_changed = False

    @property
    def nodes(self) -> tuple[GraphNode, ...]:
        """As they were."""
        return self.read.nodes

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Of a tensor of the model as it was; () where it is not known."""
        return tuple(self.read.known_shape(tensor) or ())

    def maker(self, tensor: str) -> GraphNode | None:
        """The node that makes a tensor."""
        return self._makers.get(tensor)

    def keep(self, node: GraphNode, inputs: Sequence[str] | None = None) -> None:
        """Leave a node as it is, but for its inputs."""
        if inputs is None or tuple(inputs) == node.input:
            self._made.append(node.proto)
            return
        copy = onnx.NodeProto()
        copy.CopyFrom(node.proto)
        copy.input[:] = inputs
        self._made.append(copy)
        self.is_changed = True

    def name(self, like: str) -> str:
        """A new name of a tensor."""
        number = 0
        while (name := f"{like}_{number}") in self._taken:
            number += 1
        self._taken.add(name)
        return name

    def constant(self, values: Array | np.float32 | float, like: str) -> str:
        """A new constant, float32 unless `values` is an array; returns its name."""
        array = values if isinstance(values, np.ndarray) else np.asarray(values, np.float32)
        name = self.name(f"{like}_value")
        self._model.graph.initializer.append(numpy_helper.from_array(array, name))
        self.constants[name] = array
        return name

    def make(
        self,
        op: str,
        inputs: Sequence[str],
        node: GraphNode,
        output: str | None = None,
        /,
        **given: Attribute,
    ) -> str:
        """Make a node in the place of `node`, of whose name it is; returns what it gives.

        Args:
            op: its operation.
            inputs: its tensors.
            node: which it stands for, at least in part.
            output: its tensor; a new one by default.
            given: its attributes, as onnx takes them.
        """
        self.is_changed = True
        output = output or self.name(node.output[0])
        domain = QONNX_DOMAIN if op in _QONNX else ""
        made = helper.make_node(op, inputs, [output], name=node.name, domain=domain)
        made.attribute.extend(helper.make_attribute(key, value) for key, value in given.items())
        self._made.append(made)
        self._makers[output] = GraphNode.of(made)
        return output

    def copy_attributes(self, node: GraphNode, **others: Attribute) -> None:
        """Give the node that was made last the attributes of `node`, but for `others`."""
        made = self._made[-1]
        made.attribute.extend(given for given in node.proto.attribute if given.name not in others)
        made.attribute.extend(helper.make_attribute(key, value) for key, value in others.items())

    def over_axes(
        self,
        op: str,
        tensor: str,
        axes: list[int],
        node: GraphNode,
        output: str | None = None,
        /,
        **given: Attribute,
    ) -> str:
        """`make` of a node whose axes were an attribute, and are an input in newer opsets."""
        if self.read.opset < _AXES_ARE_INPUTS[op]:
            return self.make(op, [tensor], node, output, axes=axes, **given)
        constant = self.constant(np.array(axes, np.int64), node.output[0])
        return self.make(op, [tensor, constant], node, output, **given)

    def clip(
        self, tensor: str, low: float, high: float, node: GraphNode, output: str | None = None
    ) -> str:
        """`make` of a Clip."""
        if self.read.opset < _CLIP_TAKES_INPUTS:
            return self.make("Clip", [tensor], node, output, min=low, max=high)
        bounds = [self.constant(np.float32(one), node.output[0]) for one in (low, high)]
        return self.make("Clip", [tensor, *bounds], node, output)

    def remark(self, text: str) -> None:
        """Tell the user something; see `remarks_of`."""
        properties = self._model.graph.metadata_props
        properties.add(key=f"{_REMARK_KEY}.{len(properties)}", value=text)

    def finish(self) -> bool:
        """Write the nodes; whether any is new."""
        if self.is_changed:
            # What does the work of a node is called as it; what is put around it, its parts.
            by_name: dict[str, list[onnx.NodeProto]] = {}
            nodes = []
            for node in self._made:
                nodes.append(copy := onnx.NodeProto())
                copy.CopyFrom(node)
                by_name.setdefault(node.name, []).append(copy)
            for name, (*others, last) in by_name.items():
                same = [one for one in (*others, last) if one.op_type == self._ops[name]]
                main = same[0] if same else last
                parts = (one for one in (*others, last) if one is not main)
                for number, part in enumerate(parts):
                    part.name = f"{name}_part_{number}"
            del self._model.graph.node[:]
            self._model.graph.node.extend(nodes)
        return self.is_changed


def remarks_of(model: onnx.ModelProto) -> list[str]:
    """What the passes noted for the user."""
    properties = model.graph.metadata_props
    return [entry.value for entry in properties if entry.key.startswith(f"{_REMARK_KEY}.")]
