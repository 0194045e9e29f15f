"""`XnorMVAU`: matrix-vector units with weights of one bit."""

import math
from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow import register_custom_op as register_abstract
from finn.custom_op.fpgadataflow.matrixvectoractivation import MVAU
from finn.custom_op.fpgadataflow.rtl import register_custom_op as register_rtl
from numpy.typing import NDArray
from qonnx.core.datatype import BaseDataType, DataType
from qonnx.custom_op.general.multithreshold import multithreshold

from bnnedge.dataflow import ElementType, IntegerMvu, XnorMvu
from bnnedge.dataflow.nodes.integer_mvu import MOST_MAGNITUDE
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.errors import DesignError
from bnnedge.finn_backend.match_count import MatchCountKernel
from bnnedge.finn_backend.ops.base import KernelOp, element_type, magnitude
from bnnedge.finn_backend.wrapper import Hardware, Input, in_stream
from bnnedge.hardware.core import Placed, Source
from bnnedge.hardware.kernels import (
    IntegerMvuKernel,
    MultiThresholdKernel,
    ResizeElementsKernel,
    XnorMvuKernel,
)

_MOST = 1 << 30  # sums, so that thresholds are int32


@register_abstract
class XnorMVAU(MVAU):
    """FINN's MVAU for weights of few bits, with the meaning of the matrix product that it replaces.

    Inputs are BIPOLAR, and weights BIPOLAR or TERNARY, or inputs are integers, and weights these or
    integers up to ±`MOST_MAGNITUDE`; results are dot products. With `binaryXnorMode`, inputs and
    weights are BINARY and stand for ±1, and results are how many of MW pairs agree, as in QONNX's
    XnorPopcountMatMul. Thresholds are compared with these results.

    Input 0 is (…, MW), input 1 the weights (MW, MH), input 2 thresholds (MH or 1, steps) unless
    `noActivation`; the output is (…, MH). Weights and thresholds are part of the hardware.
    """

    def get_nodeattr_types(self) -> dict[str, Any]:
        """MVAU's attributes; weights are embedded."""
        embedded = ("s", False, "internal_embedded", {"internal_embedded"})
        return {**super().get_nodeattr_types(), "mem_mode": embedded}

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """The matrix product, and the thresholds if there are any, in Python."""
        node = self.onnx_node
        x = context[node.input[0]].reshape(self.get_normal_input_shape()).astype(np.float64)
        weights = context[node.input[1]].astype(np.float64)
        if self.get_nodeattr("binaryXnorMode"):
            result = (np.matmul(2 * x - 1, 2 * weights - 1) + self.get_nodeattr("MW")) / 2
        else:
            result = np.matmul(x, weights)
        if not self.get_nodeattr("noActivation"):
            bipolar = self.get_output_datatype() == DataType["BIPOLAR"]
            scale, bias = (2, -1) if bipolar else (1, self.get_nodeattr("ActVal"))
            thresholds = context[node.input[2]]
            result = multithreshold(result, thresholds, scale, bias, channels_last=True)
        context[node.output[0]] = result.astype(np.float32).reshape(self.get_normal_output_shape())

    def minimize_accumulator_width(self, model: Any, datatype_only: bool = False) -> BaseDataType:
        """Set the type that holds every result, whatever the weights."""
        low, high = self.result_range()
        signed = low < 0
        bits = ElementType.holding(low, high).width_bits - (not signed)
        if self.get_nodeattr("noActivation"):
            if model.find_direct_successors(self.onnx_node) is None:
                bits = 8 * math.ceil(bits / 8)  # FINN: whole bytes where the graph ends
            self.set_nodeattr("outputDataType", f"{'INT' if signed else 'UINT'}{bits}")
        self.set_nodeattr("accDataType", f"{'INT' if signed else 'UINT'}{bits}")
        return DataType[self.get_nodeattr("accDataType")]

    def minimize_weight_bit_width(self, model: Any, datatype_only: bool = False) -> BaseDataType:
        """Nothing: weights have the type that the graph says."""
        return self.get_input_datatype(1)

    def result_range(self) -> tuple[int, int]:
        """The least and the greatest result before thresholds."""
        synapses = self.get_nodeattr("MW")
        if self.get_nodeattr("binaryXnorMode"):
            return 0, synapses
        datatype = self.get_input_datatype(0)
        element = element_type(datatype)
        if element is None:
            raise DesignError(f"{self.onnx_node.name}: wanted integers or ±1, got {datatype.name}")
        limit = synapses * magnitude(self.get_input_datatype(1)) * max(-element.least, element.most)
        return -limit, limit

    def _most_magnitude(self) -> int:
        """Of weights that the kernels take."""
        return 1 if element_type(self.get_input_datatype(0)) == BIPOLAR else MOST_MAGNITUDE

    @property
    def kernel_refusal(self) -> str | None:
        """What bnnedge's kernels do not do: weights of more bits, weights that change, reals."""
        if self.get_nodeattr("runtime_writeable_weights"):
            return "writable weights"
        x, weights = (self.get_input_datatype(index) for index in (0, 1))
        if (
            not weights.is_integer()
            or magnitude(self.get_input_datatype(1)) > self._most_magnitude()
        ):
            return f"weights of type {weights.name}"
        return f"elements of type {x.name}" if element_type(x) is None else None

    def kernels(self, model: Any, memory_prefix: str) -> Hardware:
        """The matrix-vector unit, with what comes behind it; see `KernelOp.hardware`."""
        element = self._element()
        weights = self._weights(model)
        thresholds = self._thresholds(model)
        node = {
            "name": self.onnx_node.name,
            "weights": (weights > 0).astype(np.uint8),
            "magnitudes": None if (np.abs(weights) == 1).all() else np.abs(weights),
            **self._fused(thresholds, element, np.abs(weights).sum(axis=1)),
        }
        folding = {
            "pe": self.get_nodeattr("PE"),
            "simd": self.get_nodeattr("SIMD"),
            "pixels": math.prod(self.get_nodeattr("numInputVectors")),
            "memory_prefix": memory_prefix,
        }
        kernel = (
            XnorMvuKernel(node=XnorMvu(**node), **folding)
            if element == BIPOLAR
            else IntegerMvuKernel(node=IntegerMvu(**node), element=element, **folding)
        )
        mvu = Placed(
            name="mvu",
            kernel=kernel,
            inputs=(in_stream(0),),
            resize=self._resize(kernel.accumulator_bits) if thresholds is None else None,
        )
        network = [mvu]
        if thresholds is not None and not kernel.thresholded:
            network.append(
                Placed(
                    name="threshold",
                    kernel=MultiThresholdKernel(
                        name=self.onnx_node.name,
                        thresholds=thresholds.astype(np.int32),
                        invert=np.zeros(len(thresholds), np.bool_),
                        low=self.get_nodeattr("ActVal"),
                        element_bits=kernel.accumulator_bits,
                        result=self._result(),
                        pe=folding["pe"],
                        pixels=folding["pixels"],
                        memory_prefix=memory_prefix,
                    ).cheapest,
                    inputs=(Source(kernel=0),),
                )
            )
        return Hardware(
            inputs=(Input(width_bits=kernel.in_bits),),
            network=tuple(network),
            outputs=(Source(kernel=len(network) - 1),),
        )

    def _element(self) -> ElementType:
        """Type of the inputs; weights are checked, too."""
        name = self.onnx_node.name
        types = tuple(self.get_input_datatype(index).name for index in (0, 1))
        element = element_type(self.get_input_datatype(0))
        if self.get_nodeattr("binaryXnorMode"):
            element = BIPOLAR if types == ("BINARY", "BINARY") else None
            wanted = "BINARY weights on BINARY inputs"
        else:
            most = self._most_magnitude()
            element = None if magnitude(self.get_input_datatype(1)) > most else element
            wanted = f"weights up to ±{most} on BIPOLAR or integer inputs"
        if element is None:
            raise DesignError(f"{name}: wanted {wanted}, got {types[1]} on {types[0]}")
        if self.result_range()[1] >= _MOST:
            raise DesignError(f"{name}: wanted sums of {types[0]} below 2**30")
        return element

    def _weights(self, model: Any) -> NDArray[np.int64]:
        """(MH, MW)."""
        name = self.onnx_node.name
        weights = model.get_initializer(self.onnx_node.input[1])
        if weights is None:
            raise DesignError(f"{name}: wanted constant weights")
        shape = (self.get_nodeattr("MW"), self.get_nodeattr("MH"))
        kind = self.get_input_datatype(1)
        whole = weights == np.rint(weights)  # a type of integers allows what lies between them
        if weights.shape != shape or not (whole & kind.allowed(weights)).all():
            raise DesignError(
                f"{name}: wanted weights {shape} of {kind.name}, got {weights.shape} from"
                f" {weights.min():g} to {weights.max():g}"
            )
        values = np.ascontiguousarray(weights.T).astype(np.int64)
        return 2 * values - 1 if self.get_nodeattr("binaryXnorMode") else values

    def _thresholds(self, model: Any) -> NDArray[np.int64] | None:
        """For dot products, (MH, steps), ascending and none beyond what tells them apart."""
        if self.get_nodeattr("noActivation"):
            return None
        name, rows = self.onnx_node.name, self.get_nodeattr("MH")
        values = model.get_initializer(self.onnx_node.input[2])
        if values is None or values.ndim != 2 or len(values) not in (1, rows):
            raise DesignError(f"{name}: wanted constant thresholds (1 or {rows}, steps)")
        if np.isnan(values).any():
            raise DesignError(f"{name}: a threshold is not a number")
        low, high = self.result_range()
        # Results are integers: at or above t is at or above ⌈t⌉. The count of those that are
        # reached does not depend on their order.
        whole = np.sort(np.ceil(values).clip(low, high + 1).astype(np.int64), axis=1)
        if self.get_nodeattr("binaryXnorMode"):
            whole = 2 * whole - self.get_nodeattr("MW")
        return np.repeat(whole, rows // len(whole), axis=0)

    def _fused(
        self,
        thresholds: NDArray[np.int64] | None,
        element: ElementType,
        sums: NDArray[np.int64],
    ) -> dict[str, NDArray[Any]]:
        """Thresholds of the matrix-vector unit itself, where one bit comes out.

        Args:
            thresholds: of dot products.
            element: of the inputs.
            sums: of every row's magnitudes, (MH,).
        """
        if thresholds is None or self.get_output_datatype().bitwidth() != 1:
            return {}
        bipolar = self.get_output_datatype() == DataType["BIPOLAR"]
        if thresholds.shape[1] != 1 or not (bipolar or self.get_nodeattr("ActVal") == 0):
            raise DesignError(
                f"{self.onnx_node.name}: wanted one threshold and ActVal 0 for one bit,"
                f" got {thresholds.shape[1]} and {self.get_nodeattr('ActVal')}"
            )
        values = thresholds[:, 0]
        if element == BIPOLAR:  # counts of pairs that agree
            values = (-(-(values + sums) // 2)).clip(min=0)
        return {
            "thresholds": values.astype(np.int32),
            "invert": np.zeros(len(values), np.bool_),
        }

    def _result(self) -> ElementType:
        element = element_type(self.get_output_datatype())
        if element is None or element == BIPOLAR:
            raise DesignError(
                f"{self.onnx_node.name}: wanted integers, got {self.get_output_datatype().name}"
            )
        return element

    def _resize(self, accumulator_bits: int) -> ResizeElementsKernel:
        """Accumulators to the output's type."""
        result, (low, high) = self._result(), self.result_range()
        if low < result.smallest or high > result.largest:
            raise DesignError(
                f"{self.onnx_node.name}: wanted an output type for {low} ... {high}, got {result}",
                remedy="run MinimizeAccumulatorWidth",
            )
        sizes = {
            "elements": self.get_nodeattr("PE"),
            "in_bits": accumulator_bits,
            "out_bits": result.width_bits,
        }
        if self.get_nodeattr("binaryXnorMode"):
            return MatchCountKernel(synapses=self.get_nodeattr("MW"), **sizes)
        return ResizeElementsKernel(signed=True, **sizes)


@register_rtl
class XnorMVAU_rtl(KernelOp, XnorMVAU):  # noqa: N801
    """`XnorMVAU` on `xnor_mvu` or `integer_mvu`, and `multi_threshold` for codes of k bits."""

    @property
    def refusal(self) -> str | None:
        """Weights of more bits, weights that change, real numbers."""
        return self.kernel_refusal

    def hardware(self, model: Any, memory_prefix: str) -> Hardware:
        """The matrix-vector unit, with what comes behind it; see `KernelOp.hardware`."""
        return self.kernels(model, memory_prefix)
