"""Editing a qonnx graph: the few moves that inserting takes."""

from onnx import TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.lowering.execute import QONNX_DOMAIN
from bnnedge.lowering.indexed import Array


class Inserter:
    """Makes nodes and inserts them, in order, at one place of a graph."""

    def __init__(self, model: ModelWrapper, index: int) -> None:
        self._model = model
        self._index = index

    def constant(self, values: Array) -> str:
        """A new constant; returns its name."""
        name = str(self._model.make_new_valueinfo_name())
        self._model.set_initializer(name, values)
        return name

    def tensor(self, shape: list[int]) -> str:
        """A new float tensor; returns its name."""
        name = str(self._model.make_new_valueinfo_name())
        self._model.graph.value_info.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        )
        return name

    def node(
        self, op: str, inputs: list[str], output: str, name: str, **attributes: int | float | str
    ) -> None:
        """Insert a node behind the last one inserted."""
        domain = QONNX_DOMAIN if op in ("MultiThreshold", "Quant") else ""
        node = helper.make_node(op, inputs, [output], name=name, domain=domain)
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in sorted(attributes.items())
        )
        self._model.graph.node.insert(self._index, node)
        self._index += 1
