"""A graph that nothing changes any more: what qonnx searches for in lists is looked up."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import onnx
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper


class IndexedModel(ModelWrapper):  # type: ignore[misc]
    """A model to be read; its answers are those of the first time that it was asked.

    Args:
        model: the graph; not copied.
    """

    def __init__(self, model: ModelWrapper) -> None:
        super().__init__(model.model, fix_missing_initializer_valueinfo=False)

    @cached_property
    def constants(self) -> dict[str, NDArray[Any]]:
        """All constants by name; not to be written to."""
        arrays = {t.name: onnx.numpy_helper.to_array(t) for t in self.graph.initializer}
        for array in arrays.values():
            array.flags.writeable = False
        return arrays

    @cached_property
    def _shapes(self) -> Mapping[str, list[int]]:
        shapes = {name: list(array.shape) for name, array in self.constants.items()}
        for value in (*self.graph.value_info, *self.graph.output, *self.graph.input):
            shapes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        return shapes

    @cached_property
    def _makers(self) -> Mapping[str, Any]:
        return {name: node for node in self.graph.node for name in node.output if name}

    @cached_property
    def _readers(self) -> Mapping[str, list[Any]]:
        readers: dict[str, list[Any]] = {}
        for node in self.graph.node:
            for name in dict.fromkeys(node.input):
                readers.setdefault(name, []).append(node)
        return readers

    def get_tensor_shape(self, tensor_name: str, fix_missing_init_shape: bool = False) -> Any:
        """The shape of a tensor, or None."""
        return self._shapes.get(tensor_name)

    def get_initializer(self, tensor_name: str, return_dtype: bool = False) -> Any:
        """The constant of that name, or None."""
        if return_dtype:
            return super().get_initializer(tensor_name, return_dtype)
        return self.constants.get(tensor_name)

    def find_producer(self, tensor_name: str) -> Any:
        """The node that makes a tensor, or None."""
        return self._makers.get(tensor_name)

    def find_consumers(self, tensor_name: str) -> Any:
        """The nodes that read a tensor."""
        return self._readers.get(tensor_name, [])
