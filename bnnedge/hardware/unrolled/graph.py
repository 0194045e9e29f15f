"""`Graph`: constant weights as lookup tables, adders and registers.

A literal is a signal or its complement: twice the signal's number, plus one where it is inverted.
Signal 0 is constant, so literal 0 is false and literal 1 is true. What is asked for twice is built
once: tables are kept without inverted inputs and with the value 0 for the input 0, so a function
and its complement, of inputs or their complements, are one.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from bnnedge.cost import ceil_div

FALSE, TRUE = 0, 1
MOST_CHAIN_BITS = 32  # of a carry chain: shorter ones cost more ends, longer ones time

Literal = int


@dataclass(frozen=True)
class Input:
    """A bit that comes in."""

    index: int


@dataclass(frozen=True)
class Lut:
    """Bit Σ 2^i · inputs[i] of `table`; inputs are signals."""

    table: int
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Register:
    """A signal, a cycle later; one that is not alone has a `place` from 1 on."""

    signal: int
    place: int = 0


@dataclass(frozen=True)
class SumBit:
    """Bit `bit` of an adder's sum."""

    adder: int
    bit: int


Cell = Input | Lut | Register | SumBit


@dataclass(frozen=True)
class Adder:
    """a + b + carry, one bit more than a and b have; of a leaf the sum of five bits.

    With a constant, a + b + carry + constant, as many bits as a and b have: the bits of a, b and
    the constant are added without carries in the lookup tables, their sums and their majorities in
    the chain.

    Attributes:
        a: literals, the lowest bit first; a leaf's first two bits.
        b: as many; a leaf's other two bits, which are not inverted.
        carry: a literal.
        constant: None, or added, where a and b are not inverted.
        stage: of all of them.
        place: adders of a stage with the same place go into carry chains together.
    """

    a: tuple[Literal, ...]
    b: tuple[Literal, ...]
    carry: Literal
    stage: int
    place: int
    leaf: bool = False
    constant: int | None = None

    @property
    def bits(self) -> int:
        """Of the sum."""
        return len(self.a) + (self.constant is None)


class Graph:
    """A pipeline without feedback: cells in an order in which each reads those before it.

    A cell's stage is the number of registers between any input and it; all that a cell reads is of
    one stage.

    Args:
        inputs: how many bits come in, at stage 0.
    """

    def __init__(self, inputs: int) -> None:
        self.cells: list[Cell] = [Input(-1), *(Input(index) for index in range(inputs))]
        self.stages: list[int] = [0] * (inputs + 1)
        self.adders: list[Adder] = []
        self.outputs: list[Literal] = []
        self.inputs: tuple[Literal, ...] = tuple(range(2, 2 * inputs + 2, 2))
        self._found: dict[Cell | tuple[object, ...], int] = {}

    @property
    def latency(self) -> int:
        """Stage of the outputs."""
        return max((self.stages[literal >> 1] for literal in self.outputs), default=0)

    @functools.cached_property
    def live(self) -> tuple[int, ...]:
        """Numbers of the signals that an output depends on, ascending; the constant is none."""
        live: set[int] = set()
        waiting = [literal >> 1 for literal in self.outputs]
        while waiting:
            signal = waiting.pop()
            if signal and signal not in live:
                live.add(signal)
                waiting += self._read_by(self.cells[signal])
        return tuple(sorted(live))

    @functools.cached_property
    def levels(self) -> Mapping[int, int]:
        """Lookup tables and adders between the registers before a live signal and it."""
        levels: dict[int, int] = {0: 0}
        for signal in self.live:
            cell = self.cells[signal]
            before = (levels[read] for read in self._read_by(cell))
            levels[signal] = 1 + max(before) if isinstance(cell, Lut | SumBit) else 0
        return levels

    @functools.cached_property
    def chains(self) -> Sequence[Sequence[int]]:
        """Numbers of the adders that are together in a carry chain, see `adders.sv`."""
        places: dict[tuple[int, int, int], dict[int, None]] = {}
        for signal in self.live:
            cell = self.cells[signal]
            if isinstance(cell, SumBit):
                adder = self.adders[cell.adder]
                key = (adder.stage, self.levels[signal], adder.place)
                places.setdefault(key, {})[cell.adder] = None
        chains: list[list[int]] = []
        for place in sorted(places):
            chains.append([])
            for number in places[place]:
                if self.chain_bits([*chains[-1], number]) > MOST_CHAIN_BITS and chains[-1]:
                    chains.append([])
                chains[-1].append(number)
        return chains

    def chain_bits(self, chain: Sequence[int]) -> int:
        """Places in a carry chain of these adders: one before each, and one behind the last."""
        return 1 + sum(1 + len(self.adders[number].a) for number in chain)

    def sum_bits(self, chain: Sequence[int]) -> list[tuple[int, int, int]]:
        """Live bits of the sums in a carry chain: their signals, their adders, and which bits."""
        return [bit for number in chain for bit in self._sum_bits[number]]

    @functools.cached_property
    def _sum_bits(self) -> Mapping[int, list[tuple[int, int, int]]]:
        bits: dict[int, list[tuple[int, int, int]]] = {}
        for signal in self.live:
            cell = self.cells[signal]
            if isinstance(cell, SumBit):
                bits.setdefault(cell.adder, []).append((signal, cell.adder, cell.bit))
        return bits

    @property
    def combs(self) -> int:
        """Lookup tables with four inputs, or what takes their place."""
        luts = (cell for cell in map(self.cells.__getitem__, self.live) if isinstance(cell, Lut))
        sums = (ceil_div(self.chain_bits(chain), 2) for chain in self.chains)
        return sum(1 << max(0, len(lut.inputs) - 4) for lut in luts) + 2 * sum(sums)

    def stage(self, *literals: Literal) -> int:
        """The latest stage among them; constants have none."""
        return max((self.stages[literal >> 1] for literal in literals if literal > TRUE), default=0)

    def at(self, literal: Literal, stage: int) -> Literal:
        """A literal as it was `stage` − its own stage cycles ago."""
        if literal <= TRUE:
            return literal
        signal = literal >> 1
        assert self.stages[signal] <= stage, (literal, self.stages[signal], stage)
        while self.stages[signal] < stage:
            signal = self._cell(Register(signal), self.stages[signal] + 1)
        return 2 * signal + (literal & 1)

    def aligned(self, literals: Sequence[Literal]) -> list[Literal]:
        """Literals, all at their latest stage."""
        stage = self.stage(*literals)
        return [self.at(literal, stage) for literal in literals]

    def registered(self, literal: Literal) -> Literal:
        """A literal, a cycle later."""
        return self.at(literal, self.stage(literal) + 1)

    def copied(self, literal: Literal, place: int) -> Literal:
        """A literal a cycle later, in a register that nothing at another place reads."""
        signal = literal >> 1
        if not signal:
            return literal
        return 2 * self._cell(Register(signal, place), self.stages[signal] + 1) + (literal & 1)

    def lut(self, table: int, literals: Sequence[Literal], *, exact: bool = False) -> Literal:
        """Bit Σ 2^i · literals[i] of `table`; they are delayed to the latest of their stages.

        Args:
            table: 2^len(literals) bits.
            literals: may be constant, or several times the same signal.
            exact: the literal that comes out is not inverted, whatever that costs.
        """
        aligned = self.aligned(literals)
        table, signals = _reduced(table, tuple(aligned))
        inverted = table & 1 and not exact
        if inverted:
            table ^= (1 << (1 << len(signals))) - 1
        if not signals:
            return TRUE if (table & 1) != inverted else FALSE
        if len(signals) == 1 and table == 0b10:
            return 2 * signals[0] + inverted
        return 2 * self._cell(Lut(table, signals), self.stage(2 * signals[0])) + inverted

    def add(
        self, a: Sequence[Literal], b: Sequence[Literal], carry: Literal, *, place: int
    ) -> list[Literal]:
        """a + b + carry, the lowest bit first, a bit more than the longer; see `Adder`."""
        bits = max(len(a), len(b))
        padded = [*a, *[FALSE] * (bits - len(a)), *b, *[FALSE] * (bits - len(b)), carry]
        *operands, carry = self.aligned(padded)
        stage = self.stage(carry, *operands)
        return self._sum(Adder(tuple(operands[:bits]), tuple(operands[bits:]), carry, stage, place))

    def add_constant(
        self,
        a: Sequence[Literal],
        b: Sequence[Literal],
        carry: Literal,
        constant: int,
        *,
        bits: int,
        place: int,
    ) -> list[Literal]:
        """a + b + carry + constant modulo 2^bits, the lowest bit first; see `Adder`."""
        padded = [*a[:bits], *[FALSE] * (bits - len(a)), *b[:bits], *[FALSE] * (bits - len(b))]
        *operands, carry = self.aligned([*map(self.not_inverted, padded), carry])
        stage = self.stage(carry, *operands)
        first, second = tuple(operands[:bits]), tuple(operands[bits:])
        return self._sum(Adder(first, second, carry, stage, place, constant=constant % (1 << bits)))

    def add_bits(self, bits: Sequence[Literal], *, place: int) -> list[Literal]:
        """The sum of up to five literals, three bits, the lowest first; see `Adder`."""
        ordered = sorted(bits, key=lambda literal: 1 - (literal & 1) if literal > TRUE else 2)
        *others, c, d = [FALSE] * (5 - len(bits)) + self.aligned(ordered)
        a, b, carry = others
        second = tuple(self.not_inverted(literal) for literal in (c, d))
        stage = self.stage(*bits)
        return self._sum(Adder((a, b), second, carry, stage, place, leaf=True))

    def not_inverted(self, literal: Literal) -> Literal:
        """The same, as a signal of its own if need be; constants stay."""
        signal = literal >> 1
        if literal <= TRUE or not literal & 1:
            return literal
        match self.cells[signal]:
            case Register(before, place):
                return self.copied(self.not_inverted(2 * before + 1), place)
            case Lut(table, inputs):
                complement = table ^ ((1 << (1 << len(inputs))) - 1)
                return self.lut(complement, [2 * read for read in inputs], exact=True)
            case _:
                return self.lut(0b01, [2 * signal], exact=True)

    def _sum(self, adder: Adder) -> list[Literal]:
        key = (adder.a, adder.b, adder.carry, adder.leaf, adder.constant)
        if key not in self._found:
            self._found[key] = len(self.adders)
            self.adders.append(adder)
        number = self._found[key]
        return [2 * self._cell(SumBit(number, bit), adder.stage) for bit in range(adder.bits)]

    def give(self, literals: Sequence[Literal]) -> None:
        """Make these the outputs, at one stage, which is 1 at least."""
        stage = max(1, self.stage(*literals))
        self.outputs = [self.at(literal, stage) for literal in literals]

    def _read_by(self, cell: Cell) -> list[int]:
        match cell:
            case Input():
                return []
            case Register(before, _):
                return [before]
            case Lut(_, signals):
                return list(signals)
            case SumBit(number, _):
                adder = self.adders[number]
                return [literal >> 1 for literal in (*adder.a, *adder.b, adder.carry)]
            case unknown:
                assert_never(unknown)

    def _cell(self, cell: Cell, stage: int) -> int:
        if cell not in self._found:
            self._found[cell] = len(self.cells)
            self.cells.append(cell)
            self.stages.append(stage)
        return self._found[cell]


@functools.lru_cache(maxsize=1 << 16)
def _reduced(table: int, literals: tuple[Literal, ...]) -> tuple[int, tuple[int, ...]]:
    """The same function of its signals, ascending, without those that it does not depend on."""
    signals = tuple(sorted({literal >> 1 for literal in literals} - {0}))
    places = {signal: place for place, signal in enumerate(signals)}
    reduced = 0
    for index in range(1 << len(signals)):
        old = 0
        for position, literal in enumerate(literals):
            value = index >> places[literal >> 1] & 1 if literal > TRUE else 0
            old |= (value ^ (literal & 1)) << position
        reduced |= (table >> old & 1) << index
    for place in reversed(range(len(signals))):
        low, high = _cofactors(reduced, len(signals), place)
        if low == high:
            signals = (*signals[:place], *signals[place + 1 :])
            reduced = low
    return reduced, signals


def _cofactors(table: int, inputs: int, place: int) -> tuple[int, int]:
    """A table of so many inputs with input `place` at 0, and at 1."""
    halves = [0, 0]
    for index in range(1 << inputs - 1):
        low = index & ((1 << place) - 1)
        for value in (0, 1):
            old = ((index >> place) << place + 1) | value << place | low
            halves[value] |= (table >> old & 1) << index
    return halves[0], halves[1]
