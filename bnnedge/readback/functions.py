"""What cells compute, as truth tables: whole numbers whose bit i is the value at assignment i."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from bnnedge.readback.netlist import Cell, Net, Signal

Tables = Mapping[str, int]
"""By output of a cell."""

LOGIC = ("LUT4", "PFUMX", "L6MUX21", "CCU2C")
"""Kinds of cells whose outputs follow from their inputs alone."""

# By kind of multiplexer: pins for 0 and for 1, and the one that chooses.
_MULTIPLEXERS = {"PFUMX": ("BLUT", "ALUT", "C0"), "L6MUX21": ("D0", "D1", "SD")}


class Variables:
    """The drivers of some cells' inputs as the variables of their truth tables.

    Args:
        signals: nets and constants; each unknown one, None, is given by a place of its own.
    """

    def __init__(self, signals: Sequence[tuple[object, Signal]]) -> None:
        keys = dict.fromkeys(key for place, signal in signals if (key := _key(place, signal)))
        self.count = len(keys)
        self.all = (1 << (1 << self.count)) - 1
        self._tables = {key: self._pattern(number) for number, key in enumerate(keys)}

    def _pattern(self, number: int) -> int:
        half = 1 << number
        block = ((1 << half) - 1) << half
        return block * (self.all // ((1 << 2 * half) - 1))

    def table(self, place: object, signal: Signal) -> int:
        """Of a signal by itself."""
        key = _key(place, signal)
        if key is None:
            return self.all if signal else 0
        found = self._tables[key]
        return found ^ self.all if isinstance(signal, Net) and signal.inverted else found

    def nets(self, table: int) -> Signal:
        """The net or constant that a table is; None: it is neither."""
        if table in (0, self.all):
            return table == self.all
        for key, own in self._tables.items():
            if isinstance(key, Net) and table in (own, own ^ self.all):
                return key._replace(inverted=table != own)
        return None

    def needed(self, table: int) -> tuple[tuple[object, ...], int]:
        """The variables that a table depends on, and the table over these alone."""
        needed = [
            (key, 1 << number)
            for number, (key, own) in enumerate(self._tables.items())
            if (table & own) >> (1 << number) != table & (own ^ self.all)
        ]
        reduced = 0
        for entry in range(1 << len(needed)):
            place = sum(weight for bit, (_, weight) in enumerate(needed) if entry >> bit & 1)
            reduced |= (table >> place & 1) << entry
        return tuple(key for key, _ in needed), reduced


def _key(place: object, signal: Signal) -> object:
    """What makes a signal a variable; None: it is a constant."""
    if isinstance(signal, Net):
        return signal._replace(inverted=False)
    return ("unknown", place) if signal is None else None


def tables(cell: Cell, resolved: Callable[[Signal], Signal], variables: Variables) -> Tables:
    """Of the outputs of a cell of `LOGIC` (as Yosys' models of them compute)."""

    def pin(name: str) -> int:
        return variables.table(name, resolved(cell.inputs[name]))

    if cell.kind == "LUT4":
        init = cell.parameters["INIT"]
        return {"Z": _lookup(init, [pin(name) for name in "ABCD"], variables.all)}
    if cell.kind in _MULTIPLEXERS:
        low, high, chooses = map(pin, _MULTIPLEXERS[cell.kind])
        return {"Z": (high & chooses) | (low & (chooses ^ variables.all))}
    carry = pin("CIN")
    found: dict[str, int] = {}
    for half in "01":
        init = cell.parameters[f"INIT{half}"]
        assert isinstance(init, int)
        four = _lookup(init, [pin(f"{name}{half}") for name in "ABCD"], variables.all)
        two = _lookup(init & 15, [pin(f"{name}{half}") for name in "AB"], variables.all)
        injected = cell.parameters[f"INJECT1_{half}"] == "YES"
        found[f"S{half}"] = four if injected else four ^ carry
        carry = ((four ^ variables.all) & (0 if injected else two)) | (four & carry)
    return found | {"COUT": carry}


def for_output(cell: Cell, port: str) -> Cell:
    """A cell of `LOGIC` with 0 at the pins that an output does not depend on."""
    free = {
        pin: signal if isinstance(signal, bool) else Net(pin, "")
        for pin, signal in cell.inputs.items()
    }
    variables = Variables(list(free.items()))
    keys, _ = variables.needed(
        tables(dataclasses.replace(cell, inputs=free), _same, variables)[port]
    )
    kept = {key.cell for key in keys if isinstance(key, Net)}
    inputs = {
        pin: signal if pin in kept or isinstance(signal, bool) else False
        for pin, signal in cell.inputs.items()
    }
    return dataclasses.replace(cell, inputs=inputs)


def _same(signal: Signal) -> Signal:
    return signal


def _lookup(init: object, pins: Sequence[int], all_: int) -> int:
    assert isinstance(init, int)
    found = 0
    for entry in range(1 << len(pins)):
        if init >> entry & 1:
            term = all_
            for bit, pin in enumerate(pins):
                term &= pin if entry >> bit & 1 else pin ^ all_
            found |= term
    return found
