"""Conv → Conv without bias, with explicit pads, and Add where the bias does something.

A Conv's bias then belongs to what lies behind the layer, and `auto_pad` is resolved once.
"""

from typing import Any

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.util.basic import get_by_name

from bnnedge.errors import LoweringError
from bnnedge.lowering.notes import Notes
from bnnedge.lowering.passes.edit import Inserter, index_of, take_output
from bnnedge.lowering.structure import find_structure
from bnnedge.lowering.vocabulary import attribute, called
from bnnedge.lowering.windows import set_attributes, window_attributes, window_of


class ConvertConv(Transformation):  # type: ignore[misc]
    """The Conv keeps its name."""

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for node in find_structure(model).layers:
            if node.op_type == "Conv":
                self._convert(model, node)
        return model, False

    def _convert(self, model: ModelWrapper, node: Any) -> None:
        groups = attribute(node, "group", 1)  # qonnx's passes want it written down
        set_attributes(node, group=groups, **window_attributes(window_of(model, node)))
        found = get_by_name(node.attribute, "auto_pad")
        if found is not None:
            node.attribute.remove(found)
        if len(node.input) < 3 or not node.input[2]:
            return
        bias = model.get_initializer(node.input[2])
        if bias is None:
            raise LoweringError(
                f"{called(node)}: wanted a constant bias", remedy="store the bias in the file"
            )
        del node.input[2:]
        if not bias.any():
            return
        inserter = Inserter(model, index_of(model, node) + 1)
        product, biased = take_output(inserter, model, node)
        self._notes.biases[node.name] = biased
        constant = inserter.constant(bias.reshape(-1, 1, 1))
        inserter.node("Add", [product, constant], biased, f"{node.name}_Add")
