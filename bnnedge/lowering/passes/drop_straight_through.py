"""x + (q − x) → q, as a straight-through estimator is written that a training left in the graph.

It gives q in real numbers; in float32 it is q up to a rounding, which nobody means. Weights and
activations are written that way, and x may be what the gradient goes through, such as a Clip of it.
"""

import numpy as np
import onnx

from bnnedge.lowering.indexed import GraphNode
from bnnedge.lowering.passes.rewriter import Rewriter
from bnnedge.lowering.vocabulary import called

_DISCRETE = {
    *("Sign", "BipolarQuant", "Quant", "IntQuant", "MultiThreshold", "Where", "Round"),
    *("Floor", "Ceil", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Not"),
}
_FARTHEST = 8  # nodes between the one that makes few values and the sum


def drop_straight_through(model: onnx.ModelProto) -> bool:
    """Leave out what is subtracted and added again; whether there is any."""
    rewriter = Rewriter(model)
    dropped = []
    for node in rewriter.nodes:
        kept = _kept(rewriter, node)
        if kept is None:
            rewriter.keep(node)
        else:
            dropped.append(node)
            rewriter.make("Identity", [kept], node, node.output[0])
    if dropped:
        others = f", and {len(dropped) - 1} more" if len(dropped) > 1 else ""
        rewriter.remark(
            f"{called(dropped[0])}{others}: straight-through form x + (q - x), taken as the q that"
            " it stands for; float32 gives the file's own sum up to a rounding of x"
        )
    return rewriter.finish()


def _kept(rewriter: Rewriter, node: GraphNode) -> str | None:
    """The q of x + (q − x) or x − (x − q)."""
    if node.op_type not in ("Add", "Sub") or len(node.input) != 2:
        return None
    first, second = (_source(rewriter, name) for name in node.input)
    pairs = [(first, second), (second, first)] if node.op_type == "Add" else [(first, second)]
    for x, difference in pairs:
        inner = rewriter.maker(difference)
        if inner is None or inner.op_type != "Sub":
            continue
        left, right = (_source(rewriter, name) for name in inner.input)
        if node.op_type == "Sub":
            left, right = right, left
        if right == x and _is_discrete(rewriter, left):
            return left
    return None


def _source(rewriter: Rewriter, tensor: str) -> str:
    """What Identity nodes, such as a `detach`, pass on."""
    maker = rewriter.maker(tensor)
    while maker is not None and maker.op_type == "Identity":
        tensor = str(maker.input[0])
        maker = rewriter.maker(tensor)
    return tensor


def _is_discrete(rewriter: Rewriter, tensor: str) -> bool:
    """Whether few values come out: constants aside, one way leads back to a binariser."""
    for _ in range(_FARTHEST):
        maker = rewriter.maker(tensor)
        if maker is None:  # weights that the exporter folded
            values = np.abs(rewriter.constants.get(tensor, np.arange(3)))
            return len(np.unique(values)) <= max(1, len(np.atleast_1d(values)))
        if maker.op_type in _DISCRETE:
            return True
        made = [name for name in maker.input if rewriter.maker(name) is not None]
        if not made:
            return False
        few = (name for name in made if getattr(rewriter.maker(name), "op_type", "") in _DISCRETE)
        tensor = str(next(few, made[0]))
    return False
