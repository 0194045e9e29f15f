"""QONNX's Trunc → the arithmetic that it stands for: a staircase, like any quantiser's.

Brevitas' TruncAvgPool2d writes it behind an average: the sum's low bits are cut off.
"""

import numpy as np
import onnx

from bnnedge.errors import LoweringError
from bnnedge.lowering.indexed import GraphNode
from bnnedge.lowering.passes.rewriter import Rewriter
from bnnedge.lowering.vocabulary import called

_ROUNDINGS = {"ROUND": "Round", "HALF_EVEN": "Round", "FLOOR": "Floor", "CEIL": "Ceil"}
_ROUND_SINCE = 11
_TO_INTEGERS = 1.5 * 2**23
_OLD_INPUTS = 5


def read_trunc(model: onnx.ModelProto) -> bool:
    """Rewrite all Trunc nodes on data; whether there are any.

    Raises:
        LoweringError: one's parameters are no constants, or it rounds in another way.
    """
    if not any(node.op_type == "Trunc" for node in model.graph.node):
        return False
    rewriter = Rewriter(model)
    for node in rewriter.nodes:
        if node.op_type == "Trunc" and node.input[0] not in rewriter.constants:
            _rewrite(rewriter, node)
        else:
            rewriter.keep(node)
    return rewriter.finish()


def _rewrite(rewriter: Rewriter, node: GraphNode) -> None:
    values = [rewriter.constants.get(name) for name in node.input[1:]]
    if any(value is None or value.size != 1 for value in values):
        raise LoweringError(
            f"{called(node)}: wanted its scales, zero point and bit widths as constants, one each",
            remedy="export the quantiser with a scale per tensor",
        )
    mode = node.text("rounding_mode", "FLOOR")
    if mode.upper() not in _ROUNDINGS:
        raise LoweringError(
            f"{called(node)}: rounds by {mode}, wanted one of {', '.join(_ROUNDINGS)}",
            remedy="export with another rounding",
        )
    scale, zero, bits, *rest = (
        np.float32(value.reshape(-1)[0]) for value in values if value is not None
    )
    if len(node.input) == _OLD_INPUTS:
        cut, made_scale = np.float32(2) ** (bits - rest[0]), scale
        made_zero = zero
    else:
        made_scale = rest[0]
        mantissa, exponent = np.frexp(made_scale / scale)  # the nearest power of two
        cut = np.ldexp(np.float32(1), exponent - int(mantissa < 0.7071068))
        made_zero = zero / cut
    like = node.output[0]

    def step(op: str, tensor: str, value: np.float32) -> str:
        return rewriter.make(op, [tensor, rewriter.constant(value, like)], node)

    tensor = step("Div", node.input[0], scale)
    tensor = step("Add", tensor, zero) if zero else tensor
    tensor = _rounded(rewriter, node, "Round", tensor)
    tensor = step("Div", tensor, cut)
    if len(node.input) > _OLD_INPUTS:
        width, signed = int(rest[1]), node.integer("signed", 1)
        narrow = node.integer("narrow", 0)
        low = -(1 << width - 1) + narrow if signed else 0
        high = (1 << width - 1) - 1 if signed else (1 << width) - 1 - narrow
        tensor = rewriter.clip(tensor, float(low), float(high), node)
    tensor = _rounded(rewriter, node, _ROUNDINGS[mode.upper()], tensor)
    tensor = step("Sub", tensor, made_zero) if made_zero else tensor
    factor = rewriter.constant(made_scale, like)
    rewriter.make("Mul", [tensor, factor], node, like)


def _rounded(rewriter: Rewriter, node: GraphNode, op: str, tensor: str) -> str:
    """Before ONNX had a Round, float32 rounds to even, next to 1.5 · 2²³ to integers."""
    if op != "Round" or rewriter.read.opset >= _ROUND_SINCE:
        return rewriter.make(op, [tensor], node)
    for one in ("Add", "Sub"):
        far = rewriter.constant(_TO_INTEGERS, node.output[0])
        tensor = rewriter.make(one, [tensor, far], node)
    return tensor
