"""Ops of bnnedge's own in ONNX files, in the domain that is called like this module.

qonnx finds the class of such a node by the domain's name, which is a module's. onnxruntime and
ONNX's reference evaluator run the function, in ops of ONNX's own, that goes with every file.
"""

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import parser
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.base import CustomOp

from bnnedge.names import CUSTOM_OPS as DOMAIN

__all__ = ["DOMAIN", "VERSION", "LutLayer", "add_functions", "lut_function"]

VERSION = 1
_LUT = """
<domain: "{domain}", opset_import: ["" : {opset}]>
LutLayer (x, wiring, tables) => (y)
{{
  chosen = Gather <axis: int = 1> (x, wiring)
  zero = Constant <value: tensor = float {{0.0}}> ()
  high = Greater (chosen, zero)
  bits = Cast <to: int = 7> (high)
  first = Constant <value: tensor = int64 {{0}}> ()
  one = Constant <value: tensor = int64 {{1}}> ()
  two = Constant <value: tensor = int64 {{2}}> ()
  last = Constant <value: tensor = int64[1] {{2}}> ()
  row = Constant <value: tensor = int64[1] {{-1}}> ()
  sizes = Shape (tables)
  count = Gather (sizes, first)
  entries = Gather (sizes, one)
  wires = Shape (wiring)
  fan_in = Gather (wires, one)
  places = Range (first, fan_in, one)
  powers = Pow (two, places)
  terms = Mul (bits, powers)
  index = ReduceSum <keepdims: int = 0> (terms, last)
  numbers = Range (first, count, one)
  starts = Mul (numbers, entries)
  at = Add (index, starts)
  flat = Reshape (tables, row)
  found = Gather (flat, at)
  bit = Cast <to: int = 1> (found)
  double = Add (bit, bit)
  unit = Constant <value: tensor = float {{1.0}}> ()
  y = Sub (double, unit)
}}
"""


class LutLayer(CustomOp):  # type: ignore[misc]
    """y[n, m] = 2 · tables[m, Σ_j 2^j · (x[n, wiring[m, j]] > 0)] − 1.

    Inputs are x float32 (N, C), wiring int32 (M, k) and tables uint8 (M, 2^k), of 0 and 1; y is
    float32 (N, M). Version 1 of the domain.
    """

    def get_nodeattr_types(self) -> dict[str, Any]:
        """It has no attributes."""
        return {}

    def make_shape_compatible_op(self, model: ModelWrapper) -> onnx.NodeProto:
        """A node of ONNX's own that gives (N, M), whether or not N is known yet."""
        data, wiring, _ = self.onnx_node.input
        return onnx.helper.make_node(
            "Einsum", [data, wiring], list(self.onnx_node.output), equation="nc,mk->nm"
        )

    def infer_node_datatype(self, model: ModelWrapper) -> None:
        """It gives ±1."""
        model.set_tensor_datatype(self.onnx_node.output[0], DataType["BIPOLAR"])

    def execute_node(
        self, context: MutableMapping[str, NDArray[Any]], graph: onnx.GraphProto
    ) -> None:
        """Put the output into `context`, where the inputs are."""
        x, wiring, tables = (context[name] for name in self.onnx_node.input)
        index = np.zeros((len(x), len(wiring)), np.int64)
        for place, wires in enumerate(wiring.T):
            index |= (x[:, wires] > 0).astype(np.int64) << place
        bits = tables[np.arange(len(tables)), index]
        context[self.onnx_node.output[0]] = 2 * bits.astype(np.float32) - 1

    def verify_node(self) -> list[str]:
        """Nothing to say."""
        return []


def lut_function(opset: int) -> onnx.FunctionProto:
    """`LutLayer` in ops of ONNX's own, of that opset, 13 or later."""
    return parser.parse_function(_LUT.format(domain=DOMAIN, opset=opset))


def add_functions(model: onnx.ModelProto) -> None:
    """Let a model bring the functions of the ops of this domain that it has."""
    if not any(node.domain == DOMAIN for node in model.graph.node):
        return
    opsets = {one.domain: one.version for one in model.opset_import}
    model.functions.append(lut_function(opsets[""]))
    if DOMAIN not in opsets:
        model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, VERSION))
