"""Joins and pools on integers: each operand is an integer times its grid, and so is the result.

What was float stays as it was behind them: the integer is scaled back, exactly, and an average is
divided as the original divides.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, Window
from bnnedge.errors import LoweringError
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.indexed import GraphNode, IndexedModel
from bnnedge.lowering.layers import Op, Step
from bnnedge.lowering.notes import is_exact_factor
from bnnedge.lowering.regions import one_window
from bnnedge.lowering.thresholds import CHUNK_ELEMENTS, LARGEST_SUM
from bnnedge.lowering.vocabulary import MAX_POOLS, SUMS, called
from bnnedge.lowering.windows import window_of

_LARGEST_FACTOR = 1 << 8


@dataclass(frozen=True, kw_only=True)
class Operand:
    """What a join or a pool takes.

    Attributes:
        element: of the integers.
        grid: the value of 1.
    """

    element: ElementType
    grid: float


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What a join or a pool makes.

    Attributes:
        element: of the integers.
        steps: what the original makes of them.
        factors: of a sum, for each operand.
    """

    element: ElementType
    steps: tuple[Step, ...]
    factors: tuple[int, ...] = ()


def join(model: IndexedModel, node: GraphNode, operands: list[Operand]) -> Joined:
    """What a join or a pool, `node`, makes of integers.

    Raises:
        LoweringError: operands on grids that do not fit, an average that is no division.
    """
    grid = min(operand.grid for operand in operands)
    if node.op_type in SUMS:
        return _sum(node, operands, grid)
    if len({operand.grid for operand in operands}) > 1:
        raise LoweringError(
            f"{called(node)}: joins multiples of {_scales(operands)}",
            remedy="quantise both with one scale",
        )
    low = min(operand.element.least for operand in operands)
    high = max(operand.element.most for operand in operands)
    if node.op_type in MAX_POOLS or node.op_type in ("Concat", "Slice", "Pad"):
        return Joined(element=ElementType.holding(low, high), steps=(_scaled_back(grid),))
    window = window_of(model, node)
    least, most = low * window.taps, high * window.taps
    _check_exact(node, max(-least, most))
    mean = _divided(model, node, grid, np.arange(least, most + 1), window)
    largest = window.taps * -low  # as a Dataflow's SumPool counts
    return Joined(
        element=ElementType.holding(-largest, largest),
        steps=(_scaled_back(grid), *([] if mean is None else [mean])),
    )


def _scaled_back(grid: float) -> Step:
    return Step(op=Op.MUL, value=np.array([grid], np.float32), what="grid")


def _scales(operands: list[Operand]) -> str:
    return " and ".join(f"{operand.grid:.6g}" for operand in operands)


def _sum(node: GraphNode, operands: list[Operand], grid: float) -> Joined:
    if len(node.input) != 2:
        raise LoweringError(
            f"{called(node)}: wanted two operands, got {len(node.input)}", remedy="add in pairs"
        )
    factors = [int(operand.grid / grid) for operand in operands]
    if max(factors) > _LARGEST_FACTOR:
        raise LoweringError(
            f"{called(node)}: adds multiples of {_scales(operands)}, which have no common scale",
            remedy="quantise both with scales that are powers of two",
        )
    if node.op_type == "Sub":
        factors[1] = -factors[1]
    ends = [
        sorted((factor * operand.element.least, factor * operand.element.most))
        for factor, operand in zip(factors, operands, strict=True)
    ]
    least, most = (sum(end) for end in zip(*ends, strict=True))
    _check_exact(node, max(-least, most))
    return Joined(
        element=ElementType.holding(least, most),
        steps=(_scaled_back(grid),),
        factors=tuple(factors),
    )


def _divided(
    model: IndexedModel, node: GraphNode, grid: float, sums: NDArray[np.int64], window: Window
) -> Step | None:
    """What makes of a sum what the original node makes of it; None for nothing."""
    if node.op_type == "Conv":
        weights = np.unique(model.floats(node, 1))
        if len(weights) > 1 or not is_exact_factor(weights):
            raise LoweringError(
                f"{called(node)}: wanted sums over a window, got weights"
                f" {', '.join(f'{weight:.6g}' for weight in weights[:3])}",
                remedy="weigh with one power of two",
            )
        return None if weights[0] == 1 else Step(op=Op.MUL, value=weights[:1], what="mean")
    runner, taps = Runner(model), window.taps
    count, part = np.array([taps], np.float32), np.float32(1) / np.array([taps], np.float32)
    ways: list[Step | None] = [
        None,
        Step(op=Op.DIV, value=count, what="mean"),
        Step(op=Op.MUL, value=part, what="mean"),
    ]
    size = max(1, CHUNK_ELEMENTS // taps)
    for start in range(0, len(sums), size):
        values = (sums[start : start + size] * grid).astype(np.float32)
        means = one_window(runner, node, window, values[:, None])[:, 0]
        ways = [
            way for way in ways if np.array_equal(means, values if way is None else way.run(values))
        ]
    if ways:
        return ways[0]
    raise LoweringError(
        f"{called(node)}: its average is neither its sum divided nor times 1/{taps}",
        remedy="sum up (SumPool2d, GlobalSumPool) and quantise behind it",
    )


def _check_exact(node: GraphNode, largest: int) -> None:
    """Sums of multiples of a power of two are exact in float32, in any order."""
    if largest >= LARGEST_SUM:
        raise LoweringError(
            f"{called(node)}: sums reach {largest} steps, float32 sums are exact below"
            f" {LARGEST_SUM}",
            remedy="quantise to fewer bits, or pool less",
        )
