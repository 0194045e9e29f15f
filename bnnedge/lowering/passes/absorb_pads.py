"""A Pad in front of a pool → the pool's own padding, where that gives the same.

A maximum of padding and data is that of the data if the padding is no more than they can be, such
as 0 behind a Relu, −1 of ±1 or −∞; an average by a fixed divisor counts zeros.
"""

import numpy as np
import onnx

from bnnedge.lowering.indexed import GraphNode
from bnnedge.lowering.passes.rewriter import Attribute, Rewriter
from bnnedge.lowering.vocabulary import RESHAPING
from bnnedge.lowering.windows import pad_amounts

_LOWEST = -float(np.finfo(np.float32).max)
_POOLS = {"MaxPool", "AveragePool"}
_KEEP_LEAST = RESHAPING | {"Identity", "Dropout", "MaxPool", "GlobalMaxPool", "Cast"}


def absorb_pads(model: onnx.ModelProto) -> bool:
    """Whether there are any such pads."""
    rewriter = Rewriter(model)
    for node in rewriter.nodes:
        pad = rewriter.maker(node.input[0]) if node.op_type in _POOLS else None
        amounts = None if pad is None else _absorbable(rewriter, pad, node)
        if pad is None or amounts is None:
            rewriter.keep(node)
            continue
        given: dict[str, Attribute] = {"pads": amounts}
        if node.op_type == "AveragePool":
            given["count_include_pad"] = 1
        rewriter.make(node.op_type, [pad.input[0]], node, node.output[0])
        rewriter.copy_attributes(node, **given)
    return rewriter.finish()


def _absorbable(rewriter: Rewriter, pad: GraphNode, pool: GraphNode) -> list[int] | None:
    """The padding of both, if one is as good as the other."""
    if pad.op_type != "Pad" or pool.text("auto_pad", "NOTSET") != "NOTSET":
        return None
    sizes = pad_amounts(rewriter.read, pad)
    if sizes is None or min(sizes) < 0 or any(sizes[[0, 1, 4, 5]]):
        return None
    if pad.text("mode", "constant") != "constant" or len(pool.output) > 1:
        return None
    value = _value(rewriter, pad)
    own, size = pool.integers("pads", (0, 0, 0, 0)), pool.integers("kernel_shape")
    pads = [int(one) + more for one, more in zip(sizes[[2, 3, 6, 7]], own, strict=True)]
    if value is None or any(pads[place] >= size[place % 2] for place in range(4)):
        return None
    if pool.op_type == "AveragePool":
        included = pool.integer("count_include_pad", 0) or not any(own)
        return pads if value == 0 and included and not pool.integer("ceil_mode", 0) else None
    return pads if value <= _least(rewriter, pad.input[0]) else None


def _value(rewriter: Rewriter, pad: GraphNode) -> float | None:
    if len(pad.input) < 3 or not pad.input[2]:
        return pad.real("value", 0.0)  # before opset 11
    given = rewriter.read.constant(pad, 2)
    return None if given is None else float(given.reshape(-1)[0])


def _least(rewriter: Rewriter, tensor: str) -> float:
    """A number that no finite value of a tensor is below; float32's least where none is known."""
    node = rewriter.maker(tensor)
    while node is not None and node.op_type in _KEEP_LEAST:
        node = rewriter.maker(node.input[0])
    if node is None:
        return _LOWEST

    found = node

    def constant(place: int, otherwise: float) -> float:
        values = rewriter.read.constant(found, place)
        return otherwise if values is None or not values.size else float(values.min())

    match node.op_type:
        case "Relu" | "Sigmoid" | "HardSigmoid" | "Abs":
            return 0.0
        case "Sign":
            return -1.0
        case "Clip":
            return node.real("min", constant(1, _LOWEST))
        case "Where":
            return min(constant(1, _LOWEST), constant(2, _LOWEST))
        case "BipolarQuant":
            scale = rewriter.read.constant(node, 1)
            return _LOWEST if scale is None else -float(np.abs(scale).max())
        case "MultiThreshold":
            falls = node.real("out_scale", 1.0) < 0
            return _LOWEST if falls else node.real("out_bias", 0.0)
        case "Quant" | "IntQuant":
            unsigned = not node.integer("signed", 1) and constant(2, 1) == 0
            bits = constant(3, 0)
            is_bit = bits == 1 and node.integer("signed", 1) and constant(2, 1) == 0
            return 0.0 if unsigned else -constant(1, -_LOWEST) if is_bit else _LOWEST
        case _:
            return _LOWEST
