"""Transposes in front of a join, if they are the same."""

from typing import Any

from finn.transformation.streamline import reorder
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import get_by_name


class MoveTransposePastJoinConcat(reorder.MoveTransposePastJoinConcat):
    """The same Transpose in front of each operand of a Concat: the Concat, then one Transpose.

    FINN's compares the permutations and forgets to return what it finds (`False` in the place of
    `return False`): operands that were turned in different ways are taken for turned in one way.
    """

    def are_producers_identical(self, model: ModelWrapper, producers: list[Any]) -> bool:
        """Whether all are Transposes of one permutation."""
        if any(node is None or node.op_type != "Transpose" for node in producers):
            return False
        perms = {tuple(get_by_name(node.attribute, "perm").ints) for node in producers}
        return len(perms) == 1
