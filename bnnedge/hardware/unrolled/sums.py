"""Popcounts of rows with constant weights, and their comparison with constants.

The XNOR of an input with a constant is the input or its complement, so nothing is left of it. The
lowest bits of all rows are compressed together: the parity of three inputs is the same in every row
up to its complement, and their majority is one of four. What is left, one carry of two for every
three inputs, is a row's own: five of them each become a number, in a carry chain whose lookup
tables take four and whose carry is the fifth, and numbers are added in carry chains, where every
adder takes one carry more.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bnnedge.cost import ceil_div, index_bits
from bnnedge.dataflow.encoding import Bits
from bnnedge.hardware.unrolled.graph import FALSE, TRUE, Graph, Literal

_XOR3, _MAJORITY3 = 0b10010110, 0b11101000
_ROWS_TOGETHER = 8  # in a carry chain: fewer start more of them, more are harder to route
_FEWEST_SHARING = 3  # rows for which four majorities of three inputs cost less than own sums
_MOST_LEVELS = 2  # of lookup tables between registers
_NEAR_SYNAPSES = 8192  # of a layer; beyond, rows together have own copies of what is shared

_Column = list[Literal]
"""A bit of the same weight of every row."""


@dataclass(frozen=True, kw_only=True)
class Popcount:
    """A row's number of agreements: first + second + carry, or twice that + parity.

    The last addition is left to what comes of it, because a constant costs nothing there.

    Attributes:
        first: a number, the lowest bit first.
        second: another one; may be empty.
        carry: a bit.
        parity: the lowest bit of the agreements; None: they are the sum itself.
        most: that the sum can be.
        place: see `Adder`.
    """

    first: tuple[Literal, ...]
    second: tuple[Literal, ...]
    carry: Literal
    parity: Literal | None
    most: int
    place: int

    def reaches(self, graph: Graph, threshold: int) -> Literal:
        """Whether there are `threshold` agreements or more, in a register."""
        wanted, carry = threshold, self.carry
        if self.parity is not None:
            assert carry == FALSE
            wanted, carry = ceil_div(threshold, 2), self.parity if threshold & 1 else FALSE
        if wanted <= 0 or wanted > self.most + 1:
            return TRUE if wanted <= 0 else FALSE
        if not self.second:
            return reaches(graph, self.first, carry, wanted)
        # 2^bit − wanted more are 2^bit or more, and less than twice that.
        bit = max(index_bits(wanted), len(self.first) - 1, len(self.second) - 1)
        while self.most + 1 - wanted >= 1 << bit:
            bit += 1
        total = graph.add_constant(
            self.first, self.second, carry, (1 << bit) - wanted, bits=bit + 1, place=self.place
        )
        return graph.registered(total[bit])

    def plus(self, graph: Graph, constant: int, bits: int) -> list[Literal]:
        """The agreements and a constant modulo 2^bits, in registers, the lowest bit first."""
        carry, low = self.carry, []
        if self.parity is not None:
            odd = constant & 1
            low = [self.parity ^ odd]
            carry, constant, bits = self.parity if odd else FALSE, constant >> 1, bits - 1
        total = graph.add_constant(
            self.first, self.second, carry, constant, bits=bits, place=self.place
        )
        return [*low, *map(graph.registered, total)]


def reaches(graph: Graph, number: Sequence[Literal], carry: Literal, wanted: int) -> Literal:
    """Whether number + carry >= wanted > 0, in a register.

    From the lowest bit on: the bits up to one reach those of `wanted` if this bit and the ones
    below do; a bit that `wanted` has not may stand for the ones below it.
    """
    bits, wanted, more, levels = list(number), wanted - 1, carry, 0
    if wanted >> len(bits):
        return FALSE
    while bits:
        if levels == _MOST_LEVELS:
            more, levels = graph.registered(more), 0
        taken = bits[: 4 if more <= TRUE else 3]
        bits = bits[len(taken) :]
        table = _greater(len(taken), wanted & ((1 << len(taken)) - 1))
        wanted >>= len(taken)
        more = graph.lut(table, [more, *taken], exact=not bits)
        levels += 1
    return graph.registered(more)


def _greater(bits: int, wanted: int) -> int:
    """Table of whether a number of so many bits is greater than `wanted`.

    Its first input is what the bits below say, which counts where they are equal.
    """
    table = 0
    for index in range(2 << bits):
        below, number = index & 1, index >> 1
        table |= int(number > wanted or (number == wanted and below)) << index
    return table


def popcounts(
    graph: Graph, inputs: Sequence[Literal], weights: Bits, mask: Bits | None, *, more: int
) -> list[Popcount]:
    """Agreements of every row of weights (R, N) with N inputs.

    Args:
        graph: what is added to.
        inputs: N.
        weights: (R, N).
        mask: (R, N), 1 where a row counts an input; None: everywhere. Rows then share no sums.
        more: see `_parts`.
    """
    columns = _agreements(inputs, weights, mask)
    if mask is not None or len(weights) < _FEWEST_SHARING:
        parities: Sequence[Literal | None] = [None] * len(weights)
        parts, most = _parts(graph, columns, more, rows=len(weights), kept=1), len(columns)
    else:
        carries, parities = _compressed(graph, columns)
        if weights.size > _NEAR_SYNAPSES:
            *carries, parities = (
                [graph.copied(bit, 1 + row // _ROWS_TOGETHER) for row, bit in enumerate(column)]
                for column in (*carries, parities)
            )
        parts, most = _parts(graph, carries, more, rows=len(weights), kept=0), len(carries)
    return [
        Popcount(
            first=first,
            second=second,
            carry=carry,
            parity=parity,
            most=most,
            place=row // _ROWS_TOGETHER,
        )
        for row, ((first, second, carry), parity) in enumerate(zip(parts, parities, strict=True))
    ]


def _agreements(inputs: Sequence[Literal], weights: Bits, mask: Bits | None) -> list[_Column]:
    """Whether each row agrees with an input; with a mask, with the n-th one that it counts."""
    if mask is None:
        return [
            [literal ^ (1 - int(weight)) for weight in weights[:, index]]
            for index, literal in enumerate(inputs)
        ]
    rows = [
        [inputs[index] ^ (1 - int(row[index])) for index in np.flatnonzero(counted).tolist()]
        for row, counted in zip(weights, mask, strict=True)
    ]
    return [list(column) for column in itertools.zip_longest(*rows, fillvalue=FALSE)]


def _compressed(graph: Graph, columns: list[_Column]) -> tuple[list[_Column], _Column]:
    """Carries of twice the columns' weight, and what is left of them: their parity."""
    carries: list[_Column] = []
    while len(columns) > 1:
        parities = []
        for start in range(0, len(columns), 3):
            group = columns[start : start + 3]
            if len(group) > 1:
                carries.append(_column(graph, _MAJORITY3, group))
            parities.append(_column(graph, _XOR3, group))
        columns = parities
    return carries, columns[0]


def _column(graph: Graph, table: int, group: Sequence[_Column]) -> _Column:
    """A function of up to three columns, in registers."""
    rows = np.array([*group, *[[FALSE] * len(group[0])] * (3 - len(group))]).T.tolist()
    return [graph.registered(graph.lut(table, row)) for row in rows]


def _parts(
    graph: Graph, columns: Sequence[_Column], more: int, *, rows: int, kept: int
) -> list[tuple[tuple[Literal, ...], tuple[Literal, ...], Literal]]:
    """Two numbers and a bit whose sum is that of every row's bits.

    Five bits each become numbers: as many as leave a bit for each of the adders behind them,
    rounded down where `more` is 0, so that the last bits take adders of their own, or up where it
    is 5.

    Args:
        graph: what they are added to.
        columns: the bits.
        more: 0 or 5.
        rows: how many there are.
        kept: whether there may be a bit; else it is 0.
    """
    leaves = max(1, (len(columns) + 2 - kept + more) // 6)
    ordered = sorted(columns, key=lambda column: graph.stage(*column))
    groups = [ordered[start : start + 5] for start in range(0, 5 * leaves, 5)]
    singles = ordered[5 * leaves :]
    numbers = [_number(graph, group) for group in groups if group]
    while len(numbers) > 2 or len(singles) > kept:
        added = []
        for start in range(0, len(numbers), 2):
            pair = numbers[start : start + 2]
            if len(pair) == 1 and len(numbers) > 1:
                added += pair
                continue
            # A bit waits for an adder that comes as late, as long as there is one for each.
            adders = len(added) + len(numbers) - start - 2 + kept
            stage = max(graph.stage(*number) for column in pair for number in column)
            ready = bool(singles) and (graph.stage(*singles[0]) <= stage or len(singles) >= adders)
            added.append(_sums(graph, pair, singles.pop(0) if ready else None))
        numbers = added
    none: list[tuple[Literal, ...]] = [()] * rows
    first, second = [*numbers, none, none][:2]
    return list(zip(first, second, singles[0] if singles else [FALSE] * rows, strict=True))


def _number(graph: Graph, group: Sequence[_Column]) -> list[tuple[Literal, ...]]:
    """The sums of every row's up to five bits, in registers."""
    if len(group) <= 3:
        tables = (_XOR3, _MAJORITY3) if len(group) > 1 else (_XOR3,)
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
