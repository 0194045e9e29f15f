"""Gemm → MatMul, and Mul and Add where they do something.

qonnx's GemmToMatMul writes alpha and beta as float64 constants, which makes a graph that
onnxruntime refuses unless both are 1.
"""

from typing import Any

import numpy as np
from onnx import helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation
from qonnx.util.basic import get_by_name

from bnnedge.errors import LoweringError
from bnnedge.lowering.notes import Lift, Notes
from bnnedge.lowering.passes.edit import Inserter, index_of
from bnnedge.lowering.vocabulary import called


class ConvertGemm(Transformation):  # type: ignore[misc]
    """alpha·x·W + beta·b: the MatMul keeps the Gemm's name."""

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        for node in [node for node in model.graph.node if node.op_type == "Gemm"]:
            self._convert(model, node)
        return model, False

    def _convert(self, model: ModelWrapper, node: Any) -> None:
        def attribute(name: str, kind: str, default: Any) -> Any:
            found = get_by_name(node.attribute, name)
            return default if found is None else getattr(found, kind)

        if attribute("transA", "i", 0):
            raise LoweringError(
                f"{called(node)}: transA mixes images", remedy="wanted x·W: export with transA = 0"
            )
        weights = model.get_initializer(node.input[1])
        if attribute("transB", "i", 0):
            weights = np.ascontiguousarray(weights.T)
        alpha, beta = (np.float32(attribute(name, "f", 1.0)) for name in ("alpha", "beta"))
        bias = model.get_initializer(node.input[2]) if len(node.input) > 2 else None
        index = index_of(model, node)
        inserter = Inserter(model, index + 1)
        shape = list(model.get_tensor_shape(node.output[0]))
        steps: list[tuple[str, Any]] = []
        if alpha != 1:
            steps.append(("Mul", alpha))
        if bias is not None and (bias * beta).any():
            steps.append(("Add", (bias * beta).astype(np.float32)))
            if alpha == 1:
                self._notes.biases[node.name] = str(node.output[0])
            else:
                self._notes.lifted.append(Lift(layer=node.name, what="bias"))
        if alpha != 1:
            self._notes.lifted.append(Lift(layer=node.name, what="alpha"))
        tensors = [inserter.tensor(shape) for _ in steps] + [node.output[0]]
        product = helper.make_node(
            "MatMul", [node.input[0], inserter.constant(weights)], [tensors[0]], name=node.name
        )
        for (op, value), before, after in zip(steps, tensors, tensors[1:], strict=False):
            inserter.node(op, [before, inserter.constant(value)], after, f"{node.name}_{op}")
        model.graph.node.remove(node)
        model.graph.node.insert(index, product)
