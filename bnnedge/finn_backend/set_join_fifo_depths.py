"""FIFOs that keep forks and joins from waiting for each other."""

import math

from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp
from qonnx.transformation.base import Transformation

_JOINS = ("IntegerAdd_rtl", "StreamingConcat_rtl")


class SetJoinFIFODepths(Transformation):
    """The FIFOs in front of a node with several inputs hold an image each.

    Where a stream forks and joins again, one way may need an image's worth of words before it gives
    the first one; with less than that in the other way's FIFO both wait for ever. This is enough,
    and often far more than needed: FINN finds less with its simulation of FIFOs, in Vivado.
    Comes before InsertFIFO, which takes `inFIFODepths`.
    """

    def apply(self, model: ModelWrapper) -> tuple[ModelWrapper, bool]:
        """Set `inFIFODepths`."""
        for node in model.graph.node:
            if node.op_type not in _JOINS:
                continue
            instance = getCustomOp(node)
            depths = [
                max(2, math.prod(instance.get_folded_input_shape(index)[:-1]))
                for index in range(len(node.input))
            ]
            instance.set_nodeattr("inFIFODepths", depths)
        return model, False
