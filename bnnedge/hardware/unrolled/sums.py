"""Popcounts of rows with constant weights, and their comparison with constants.

The XNOR of an input with a constant is the input or its complement, so nothing is left of it. The
lowest bits of all rows are compressed together: the parity of three inputs is the same in every row
up to its complement, and their majority is one of four. What is left, one carry of two for every
three inputs, is a row's own: five of them each become a number, in a carry chain whose lookup
tables take four and whose carry is the fifth, and numbers are added in carry chains, where every
adder takes one carry more.
"""

from collections.abc import Sequence

import numpy as np

from bnnedge.dataflow.encoding import Bits
from bnnedge.hardware.unrolled.graph import FALSE, MAJORITY3, TRUE, XOR3, Graph, Literal

_ROWS_TOGETHER = 8  # in a carry chain: fewer start more of them, more are harder to route
_FEWEST_SHARING = 3  # rows for which four majorities of three inputs cost less than own sums
_MOST_LEVELS = 2  # of lookup tables between registers
_NEAR_SYNAPSES = 8192  # of a layer, up to which carries reach all rows in a cycle

_Column = list[Literal]
"""A bit of the same weight of every row."""


class Popcount:
    """A row's number of agreements: 2 · high + parity, or high alone where parity is None.

    Attributes:
        parity: the lowest bit.
        high: the bits above it, the lowest first.
    """

    def __init__(self, high: Sequence[Literal], parity: Literal | None) -> None:
        self.high, self.parity = tuple(high), parity

    @property
    def bits(self) -> tuple[Literal, ...]:
        """The number, the lowest bit first."""
        return self.high if self.parity is None else (self.parity, *self.high)

    def reaches(self, graph: Graph, threshold: int, *, inverted: bool) -> Literal:
        """Whether the number is `threshold` or more, or else the complement; in a register.

        From the lowest bit on: the bits up to one reach those of the threshold if this bit and the
        ones below do; a bit that the threshold has not may stand for the ones below it.
        """
        bits, wanted = list(self.bits), threshold - 1  # more than `wanted`
        if threshold <= 0 or wanted >> len(bits):
            return TRUE if (threshold <= 0) != inverted else FALSE
        more, levels = FALSE, 0
        while bits:
            if levels == _MOST_LEVELS:
                more, levels = graph.registered(more), 0
            taken = bits[: 4 if more == FALSE else 3]
            bits = bits[len(taken) :]
            last = not bits
            table = _greater(len(taken), wanted & ((1 << len(taken)) - 1))
            wanted >>= len(taken)
            if last and inverted:
                table ^= (1 << (2 << len(taken))) - 1
            more = graph.lut(table, [more, *taken], exact=last)
            levels += 1
        return graph.registered(more)


def _greater(bits: int, wanted: int) -> int:
    """Table of whether a number is greater than `wanted`: its inputs are what the bits below say,

    which holds where the numbers are equal, and the number's bits.
    """
    table = 0
    for index in range(2 << bits):
        below, number = index & 1, index >> 1
        table |= int(number > wanted or (number == wanted and below)) << index
    return table


def popcounts(
    graph: Graph, inputs: Sequence[Literal], weights: Bits, *, more: int
) -> list[Popcount]:
    """Agreements of every row of weights (R, N) with N inputs; `more`: see `_totals`."""
    columns = [
        [literal ^ (1 - int(weight)) for weight in weights[:, index]]
        for index, literal in enumerate(inputs)
    ]
    if len(weights) < _FEWEST_SHARING:
        return [Popcount(number, None) for number in _totals(graph, columns, more)]
    carries: list[_Column] = []
    while len(columns) > 1:
        parities = []
        for start in range(0, len(columns), 3):
            group = columns[start : start + 3]
            if len(group) > 1:
                carries.append(_column(graph, MAJORITY3, group))
            parities.append(_column(graph, XOR3, group))
        columns = parities
    if weights.size > _NEAR_SYNAPSES:
        carries = [[graph.registered(carry) for carry in column] for column in carries]
    numbers = _totals(graph, carries, more) if carries else [()] * len(weights)
    return [Popcount(high, parity) for high, parity in zip(numbers, columns[0], strict=True)]


def _column(graph: Graph, table: int, group: Sequence[_Column]) -> _Column:
    """A function of up to three columns, in registers."""
    rows = np.array([*group, *[[FALSE] * len(group[0])] * (3 - len(group))]).T.tolist()
    return [graph.registered(graph.lut(table, row)) for row in rows]


def _totals(graph: Graph, columns: Sequence[_Column], more: int) -> list[Sequence[Literal]]:
    """The sum of every row's bits.

    Five bits each become numbers: as many as leave a bit for each of the adders behind them,
    rounded down where `more` is 0, so that the last bits take adders of their own, or up where it
    is 5.
    """
    leaves = max(1, (len(columns) + 1 + more) // 6)
    ordered = sorted(columns, key=lambda column: graph.stage(*column))
    groups = [ordered[start : start + 5] for start in range(0, 5 * leaves, 5)]
    singles = ordered[5 * leaves :]
    numbers = [_number(graph, group) for group in groups if group]
    while len(numbers) > 1 or singles:
        added = []
        for start in range(0, len(numbers), 2):
            pair = numbers[start : start + 2]
            if len(pair) == 1 and len(numbers) > 1:
                added += pair
                continue
            # A bit waits for an adder that comes as late, as long as there is one for each.
            adders = len(added) + len(numbers) - start - 1
            stage = max(graph.stage(*number) for column in pair for number in column)
            ready = bool(singles) and (graph.stage(*singles[0]) <= stage or len(singles) >= adders)
            added.append(_sums(graph, pair, singles.pop(0) if ready else None))
        numbers = added
    return list(numbers[0])


def _number(graph: Graph, group: Sequence[_Column]) -> list[tuple[Literal, ...]]:
    """The sums of every row's up to five bits, in registers."""
    if len(group) <= 3:
        tables = (XOR3, MAJORITY3) if len(group) > 1 else (XOR3,)
        return list(zip(*(_column(graph, table, group) for table in tables), strict=True))
    return [
        tuple(graph.registered(bit) for bit in graph.add_bits(bits, place=row // _ROWS_TOGETHER))
        for row, bits in enumerate(zip(*group, strict=True))
    ]


def _sums(
    graph: Graph, pair: Sequence[Sequence[Sequence[Literal]]], carries: _Column | None
) -> list[tuple[Literal, ...]]:
    """Sums of the rows' two numbers, or one, and a bit; in registers."""
    first, second = pair[0], pair[1] if len(pair) > 1 else [()] * len(pair[0])
    sums = []
    for row, (a, b) in enumerate(zip(first, second, strict=True)):
        carry = FALSE if carries is None else carries[row]
        bits = graph.add(a, b, carry, place=row // _ROWS_TOGETHER)
        sums.append(tuple(graph.registered(bit) for bit in bits))
    return sums
