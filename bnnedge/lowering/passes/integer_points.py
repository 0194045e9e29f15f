"""Joins and pools on integers: each operand is an integer times its grid, and so is the result.

What was float stays as it was behind them: the integer is scaled back, exactly, and an average is
divided as the original divides.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.dataflow import ElementType, Window
from bnnedge.errors import LoweringError
from bnnedge.lowering.execute import Runner
from bnnedge.lowering.notes import is_exact_factor
from bnnedge.lowering.passes.edit import Inserter, index_of, insert_sum, take_output
from bnnedge.lowering.regions import one_window
from bnnedge.lowering.thresholds import CHUNK_ELEMENTS, LARGEST_SUM
from bnnedge.lowering.vocabulary import MAX_POOLS, SUMS, called
from bnnedge.lowering.windows import window_of

_LARGEST_FACTOR = 1 << 8


def integer_type(low: int, high: int) -> DataType:
    """The narrowest signed type that holds `low` … `high`, as a Dataflow has it."""
    return DataType[str(ElementType.holding(low, high))]


def scale_back(inserter: Inserter, tensor: str, output: str, grid: float, name: str) -> None:
    """Insert `output` = integers `tensor` · `grid`."""
    factor = inserter.constant(np.array([grid], np.float32))
    inserter.node("Mul", [tensor, factor], output, name)


class IntegerPoint:
    """A join or pool whose operands have become integers.

    Args:
        model: the graph.
        node: the join or pool.
        grids: the value of 1 in each operand.
    """

    def __init__(self, model: ModelWrapper, node: Any, grids: list[float]) -> None:
        self._model, self._node, self._grids = model, node, grids
        self._inserter = Inserter(model, index_of(model, node))

    def finish(self) -> None:
        """Let the node make integers, and scale them back behind it.

        Raises:
            LoweringError: operands on grids that do not fit, an average that is no division.
        """
        node = self._node
        kinds = [self._model.get_tensor_datatype(name) for name in node.input[: len(self._grids)]]
        low, high = [int(kind.min()) for kind in kinds], [int(kind.max()) for kind in kinds]
        grid = min(self._grids)
        if node.op_type in SUMS:
            self._sum(grid, low, high)
        elif len(set(self._grids)) > 1:
            raise LoweringError(
                f"{called(node)}: joins multiples of {self._scales}",
                remedy="quantise both with one scale",
            )
        elif node.op_type not in MAX_POOLS and node.op_type not in ("Concat", "Slice", "Pad"):
            self._pool(grid, low[0], high[0])
        else:
            self._scale_back(grid, integer_type(min(low), max(high)))

    @property
    def _scales(self) -> str:
        return " and ".join(f"{one:.6g}" for one in self._grids)

    def _scale_back(self, grid: float, kind: DataType) -> None:
        inserter = Inserter(self._model, index_of(self._model, self._node) + 1)
        made, old = take_output(inserter, self._model, self._node)
        self._model.set_tensor_datatype(made, kind)
        scale_back(inserter, made, old, grid, f"{self._node.name}_grid")

    def _sum(self, grid: float, low: list[int], high: list[int]) -> None:
        node = self._node
        if len(node.input) != 2:
            raise LoweringError(
                f"{called(node)}: wanted two operands, got {len(node.input)}", remedy="add in pairs"
            )
        factors = [int(one / grid) for one in self._grids]
        if max(factors) > _LARGEST_FACTOR:
            raise LoweringError(
                f"{called(node)}: adds multiples of {self._scales}, which have no common scale",
                remedy="quantise both with scales that are powers of two",
            )
        if node.op_type == "Sub":
            factors[1] = -factors[1]
        node.op_type = "Add"
        ends = []
        for place, factor in enumerate(factors):
            ends.append(sorted((factor * low[place], factor * high[place])))
            if factor != 1:
                scaled = self._inserter.tensor(
                    list(self._model.get_tensor_shape(node.input[place]))
                )
                constant = self._inserter.constant(np.array([factor], np.float32))
                name = f"{node.name}_factor_{place}"
                self._inserter.node("Mul", [node.input[place], constant], scaled, name)
                self._model.set_tensor_datatype(scaled, integer_type(*ends[place]))
                node.input[place] = scaled
        least, most = ends[0][0] + ends[1][0], ends[0][1] + ends[1][1]
        self._check_exact(max(-least, most))
        self._scale_back(grid, integer_type(least, most))

    def _pool(self, grid: float, low: int, high: int) -> None:
        """Sums of integers; then what makes the original's sum or average of them."""
        node, model = self._node, self._model
        window = window_of(model, node)
        least, most = low * window.taps, high * window.taps
        self._check_exact(max(-least, most))
        tail = self._divided(grid, np.arange(least, most + 1), window)
        output, name = str(node.output[0]), str(node.name)
        model.graph.node.remove(node)
        made = insert_sum(self._inserter, model, node.input[0], window, name)
        largest = window.taps * -low  # as a Dataflow's SumPool counts
        model.set_tensor_datatype(made, integer_type(-largest, largest))
        steps = [("grid", "Mul", np.array([grid], np.float32))]
        if tail is not None:
            steps.append(("mean", tail[0], np.array([tail[1]], np.float32)))
        after = list(model.get_tensor_shape(output))
        if after != list(model.get_tensor_shape(made)):
            steps.insert(0, ("reshape", "Reshape", np.array(after, np.int64)))
        for number, (what, op, constant) in enumerate(steps):
            given, made = made, output
            if number < len(steps) - 1:
                made = self._inserter.tensor(after)
            inputs = [given, self._inserter.constant(constant)]
            self._inserter.node(op, inputs, made, f"{name}_{what}")

    def _divided(
        self, grid: float, sums: NDArray[np.int64], window: Window
    ) -> tuple[str, np.float32] | None:
        """The op and constant that make of a sum what the original node makes of it; or None."""
        node, model = self._node, self._model
        if node.op_type == "Conv":
            weights = np.unique(model.get_initializer(node.input[1]))
            if len(weights) > 1 or not is_exact_factor(weights):
                raise LoweringError(
                    f"{called(node)}: wanted sums over a window, got weights"
                    f" {', '.join(f'{weight:.6g}' for weight in weights[:3])}",
                    remedy="weigh with one power of two",
                )
            return None if weights[0] == 1 else ("Mul", weights[0])
        runner, taps = Runner(model), window.taps
        count, part = np.float32(taps), np.float32(1) / np.float32(taps)
        ways: dict[tuple[str, np.float32] | None, bool] = dict.fromkeys(
            (None, ("Div", count), ("Mul", part)), True
        )
        size = max(1, CHUNK_ELEMENTS // taps)
        for start in range(0, len(sums), size):
            values = (sums[start : start + size] * grid).astype(np.float32)
            means = one_window(runner, node, window, values[:, None])[:, 0]
            made = {None: values, ("Div", count): values / count, ("Mul", part): values * part}
            for way, result in made.items():
                ways[way] &= np.array_equal(means, result)
        for way, fits in ways.items():
            if fits:
                return way
        raise LoweringError(
            f"{called(node)}: its average is neither its sum divided nor times 1/{taps}",
            remedy="sum up (SumPool2d, GlobalSumPool) and quantise behind it",
        )

    def _check_exact(self, largest: int) -> None:
        """Sums of multiples of a power of two are exact in float32, in any order."""
        if largest >= LARGEST_SUM:
            raise LoweringError(
                f"{called(self._node)}: sums reach {largest} steps, float32 sums are exact below"
                f" {LARGEST_SUM}",
                remedy="quantise to fewer bits, or pool less",
            )
