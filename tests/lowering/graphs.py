"""Networks in the three dialects, built node by node from the same numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

QONNX = "qonnx.custom_op.general"


class Graph:
    """A chain of nodes; every call appends one to the tensor that the last one made."""

    def __init__(self, shape: tuple[int | str, ...]) -> None:
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "x"

    def constant(self, value: Any) -> str:
        array = np.asarray(value)
        name = f"c{len(self.constants)}"
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, *constants: Any, name: str = "", **attributes: Any) -> str:
        """`op(last, *constants)`; returns the tensor made."""
        custom = op in ("BipolarQuant", "MultiThreshold", "XnorPopcountMatMul", "Quant")
        inputs = [self.last, *(c if isinstance(c, str) else self.constant(c) for c in constants)]
        node = helper.make_node(
            op,
            inputs,
            [f"t{len(self.nodes)}"],
            name=name or f"{op.lower()}_{len(self.nodes)}",
            domain=QONNX if custom else "",
            **attributes,
        )
        self.nodes.append(node)
        self.last = node.output[0]
        return self.last

    def model(self, opset: int = 17, output_type: int = TensorProto.FLOAT) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "test",
            [self.input],
            [helper.make_tensor_value_info(self.last, output_type, None)],
            self.constants,
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(QONNX, 1)],
            ir_version=8,
        )

    def save(self, path: Path, **options: Any) -> Path:
        onnx.save(self.model(**options), path)
        return path


@dataclass(frozen=True, kw_only=True)
class Norm:
    """A BatchNormalization's numbers, all (MH,)."""

    gamma: NDArray[np.float32]
    beta: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]

    def append(self, graph: Graph) -> None:
        graph.add(
            "BatchNormalization", self.gamma, self.beta, self.mean, self.variance, epsilon=1e-5
        )


def bipolar(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.choice(np.float32([-1, 1]), shape)


def adversarial_norm(rng: np.random.Generator, synapses: int, channels: int) -> Norm:
    """Scales < 0, 0 and −0, means on reachable accumulators, tiny variances, huge shifts."""
    on_grid = 2 * rng.integers(0, synapses + 1, channels) - synapses
    return Norm(
        gamma=rng.choice(np.float32([-2.3, -1, -1e-3, -0.0, 0.0, 1e-3, 0.7, 1, 3.1]), channels),
        beta=np.where(
            rng.random(channels) < 0.5,
            rng.choice(np.float32([0, -0.0, 1e4, -1e4]), channels),
            rng.standard_normal(channels),
        ).astype(np.float32),
        mean=np.where(rng.random(channels) < 0.5, on_grid, rng.normal(0, 3, channels)).astype(
            np.float32
        ),
        variance=rng.choice(np.float32([1e-9, 0.3, 1 - 1e-5, 7, 1e6]), channels),
    )


def execute(path: Path, x: NDArray[np.float32]) -> NDArray[Any]:
    """The file itself, untouched, run by qonnx one image at a time."""
    model = ModelWrapper(str(path)).transform(InferShapes())
    name, out = model.graph.input[0].name, model.graph.output[0].name
    return np.concatenate([execute_onnx(model, {name: image[None]})[out] for image in x])
