"""Editing a qonnx graph: the few moves that the passes share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import Window
from bnnedge.lowering.execute import QONNX_DOMAIN
from bnnedge.lowering.windows import window_attributes


class Inserter:
    """Makes nodes and inserts them, in order, at one place of a graph."""

    def __init__(self, model: ModelWrapper, index: int) -> None:
        self._model = model
        self._index = index

    def constant(self, values: NDArray[Any]) -> str:
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

    def node(self, op: str, inputs: list[str], output: str, name: str, **attributes: Any) -> Any:
        """Insert a node behind the last one inserted."""
        domain = QONNX_DOMAIN if op in ("MultiThreshold", "Quant") else ""
        node = helper.make_node(op, inputs, [output], name=name, domain=domain, **attributes)
        self._model.graph.node.insert(self._index, node)
        self._index += 1
        return node

    def bipolar_threshold(
        self, tensor: str, output: str, thresholds: NDArray[Any], name: str, layout: str = ""
    ) -> Any:
        """Insert `output` = +1 where `tensor` >= its channel's threshold, else −1."""
        rank = len(self._model.get_tensor_shape(tensor))
        return self.node(
            "MultiThreshold",
            [tensor, self.constant(thresholds.reshape(-1, 1).astype(np.float32))],
            output,
            name,
            out_dtype="BIPOLAR",
            out_scale=2.0,
            out_bias=-1.0,
            data_layout=layout or {2: "NC", 3: "NWC", 4: "NHWC"}[rank],
        )

    def integer_threshold(
        self,
        tensor: str,
        output: str,
        thresholds: NDArray[Any],
        name: str,
        kind: DataType,
        low: int,
        layout: str = "",
    ) -> Any:
        """Insert `output` = `low` + how many of its channel's thresholds `tensor` reaches."""
        rank = len(self._model.get_tensor_shape(tensor))
        return self.node(
            "MultiThreshold",
            [tensor, self.constant(thresholds.astype(np.float32))],
            output,
            name,
            out_dtype=kind.name,
            out_scale=1.0,
            out_bias=float(low),
            data_layout=layout or {2: "NC", 3: "NWC", 4: "NHWC"}[rank],
        )


def matrix_of(layer: Any, weights: NDArray[Any]) -> NDArray[Any]:
    """A layer's weights as (synapses, channels)."""
    return weights.reshape(len(weights), -1).T if layer.op_type == "Conv" else weights


def per_channel(layer: Any, values: NDArray[Any]) -> NDArray[np.float32]:
    """One value per channel, shaped so that it broadcasts against what `layer` gives."""
    shape = (-1, 1, 1) if layer.op_type == "Conv" else (-1,)
    return np.asarray(values, np.float32).reshape(shape)


def index_of(model: ModelWrapper, node: Any) -> int:
    """Position of a node in its graph."""
    return next(i for i, other in enumerate(model.graph.node) if other.name == node.name)


def remove(model: ModelWrapper, nodes: tuple[Any, ...]) -> None:
    """Remove nodes; references to the others stay good."""
    for node in nodes:
        model.graph.node.remove(node)


def remove_dead(model: ModelWrapper) -> None:
    """Remove nodes whose results nothing reads."""
    used = {value.name for value in model.graph.output}
    for node in reversed(list(model.graph.node)):
        if used & set(node.output):
            used |= set(node.input)
        else:
            model.graph.node.remove(node)


def insert_sum(
    inserter: Inserter, model: ModelWrapper, tensor: str, window: Window, name: str
) -> str:
    """Insert sums over a window, as a depthwise Conv by ones: exact on integers."""
    _, channels, height, width = model.get_tensor_shape(tensor)
    out = inserter.tensor([1, channels, *window.output_size(height, width)])
    ones = inserter.constant(np.ones((channels, 1, *window.kernel), np.float32))
    attributes = window_attributes(window)
    inserter.node("Conv", [tensor, ones], out, name, group=channels, **attributes)
    return out


def take_output(inserter: Inserter, model: ModelWrapper, node: Any) -> tuple[str, str]:
    """Give `node` a new output tensor of the same shape; returns (new, old) names."""
    old = str(node.output[0])
    new = inserter.tensor(list(model.get_tensor_shape(old)))
    node.output[0] = new
    return new, old
