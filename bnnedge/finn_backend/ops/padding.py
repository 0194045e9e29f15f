"""`BipolarFMPadding`: FINN's padding for ±1, which is a padding with −1."""

from typing import Any

import numpy as np
from finn.custom_op.fpgadataflow import register_custom_op as register_abstract
from finn.custom_op.fpgadataflow.fmpadding import FMPadding
from finn.custom_op.fpgadataflow.rtl import register_custom_op as register_rtl
from finn.custom_op.fpgadataflow.rtl.fmpadding_rtl import FMPadding_rtl
from finn.custom_op.fpgadataflow.rtlbackend import RTLBackend
from qonnx.core.datatype import BaseDataType, DataType


@register_abstract
class BipolarFMPadding(FMPadding):
    """FINN's FMPadding, which wants a type with 0, for BIPOLAR: what is padded is −1."""

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """BIPOLAR."""
        return DataType["BIPOLAR"]

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """Pad with −1, in Python."""
        top, left, bottom, right = self.get_nodeattr("Padding")
        edges = ((0, 0), (top, bottom), (left, right), (0, 0))
        node = self.onnx_node
        context[node.output[0]] = np.pad(context[node.input[0]], edges, constant_values=-1)


@register_rtl
class BipolarFMPadding_rtl(BipolarFMPadding, FMPadding_rtl):  # noqa: N801
    """`BipolarFMPadding` on FINN's own RTL, which pads with bits 0, and these stand for −1."""

    def execute_node(self, context: dict[str, Any], graph: Any) -> None:
        """Run in RTL if `exec_mode` is rtlsim, else in Python."""
        rtl = self.get_nodeattr("exec_mode") == "rtlsim"
        (RTLBackend if rtl else BipolarFMPadding).execute_node(self, context, graph)
