"""Two netlists that need not be placed alike: equal for all inputs, or not, by their structure.

Cells are sorted into classes: first all of a kind with the same settings and contents into one,
then, as long as any class is split by it, by the classes of what comes to their inputs. Cells that
are still in one class begin alike and go on alike from there: they agree for ever (bisimulation
by partition refinement, Paige and Tarjan 1987). Functions of lookup tables and carry cells are
taken as truth tables over classes, so that pins may be permuted and wires may pass through cells.
"""

from collections.abc import Iterator, Mapping

from bnnedge.errors import MismatchError, SynthesisError
from bnnedge.readback.functions import LOGIC, Variables, for_output, tables
from bnnedge.readback.netlist import Cell, Net, Netlist, Signal, inverted

_MOST_ROUNDS = 10_000
_READ = tuple(f"RAD[{bit}]" for bit in range(4))
_NUMBER_OF_CONTENTS = "WID"


def require_equivalent(found: Netlist, expected: Netlist) -> Mapping[str, int]:
    """Raise unless two netlists do the same at their pins, whatever comes.

    Args:
        found: what a bitstream is.
        expected: what it should be. An unknown input of a RAM is 0 in it, as nextpnr makes it.

    Returns:
        How many cells of each kind the first has, how many classes they are in, and the pins.

    Raises:
        MismatchError: names a cell that has no equal, or a pin.
        SynthesisError: logic is in a circle.
    """
    if found.inputs.keys() != expected.inputs.keys():
        raise MismatchError("bitstream: its input pins are not the netlist's")
    if found.outputs.keys() != expected.outputs.keys():
        raise MismatchError("bitstream: its output pins are not the netlist's")
    one, other = _Side(found), _Side(expected)
    classes = 0
    for _ in range(_MOST_ROUNDS):
        names: dict[object, int] = {}
        for side in (one, other):
            side.settle(names)
        split: dict[object, int] = {}
        for side in (one, other):
            side.split(split)
        for site in sorted(one.memory, key=len):
            if one.memory[site] not in other.classes:
                kind = found.cells[site].kind
                raise MismatchError(
                    f"bitstream differs from the netlist: {site}, a {kind}, has no equal there"
                )
        if len(split) == classes:
            break
        classes = len(split)
    for port in found.outputs:
        if one.of(found.outputs[port]) != other.of(expected.outputs[port]):
            raise MismatchError(f"bitstream differs from the netlist: pin {port}")
    kinds = {f"cells {kind}": count for kind, count in sorted(found.kinds.items())}
    return {
        **kinds,
        "classes of equal cells": classes,
        "pins": len({*found.inputs, *found.outputs}),
    }


class _Side:
    """One of the two, with the classes of its cells.

    Attributes:
        memory: class of each cell with a state, by site.
    """

    def __init__(self, netlist: Netlist) -> None:
        self._netlist = netlist
        self._pins = {net[:2]: port for port, net in netlist.inputs.items()}
        self._logic = _in_order(netlist)
        self._wires: dict[tuple[str, ...], Signal] = {}
        kept = (site for site, cell in netlist.cells.items() if cell.kind not in LOGIC)
        self.memory = dict.fromkeys(kept, 0)

    @property
    def classes(self) -> set[int]:
        """Those that cells with a state are in."""
        return set(self.memory.values())

    def of(self, signal: Signal) -> Signal:
        """A signal as a net of its class."""
        if not isinstance(signal, Net):
            return signal
        place = signal[:2]
        if place in self._pins:
            found: Signal = Net(f"pin {self._pins[place]}", "")
        elif place in self._wires:
            found = self._wires[place]
        else:
            found = Net(f"cell {self.memory[signal.cell]}", signal.port)
        return inverted(found) if signal.inverted else found

    def settle(self, names: dict[object, int]) -> None:
        """Find the classes of wires behind logic, from those of cells with a state."""
        self._wires = {}
        for (site, port), cell in self._logic.items():
            if cell.kind == "LUTRAM":
                read = tuple(self.of(cell.inputs[pin]) for pin in _READ)
                key = (self.memory[site], read)
                self._wires[site, port] = Net(f"read {names.setdefault(key, len(names))}", "")
                continue
            places = sorted(((pin, self.of(each)) for pin, each in cell.inputs.items()), key=_rank)
            variables = Variables(places)
            table = tables(cell, self.of, variables)[port]
            self._wires[site, port] = _wire(variables, table, names)

    def split(self, names: dict[object, int]) -> None:
        """Split the classes of cells with a state by what comes to them."""
        found: dict[str, int] = {}
        for site, before in self.memory.items():
            cell = self._netlist.cells[site]
            key = (before, _settings(cell), self._inputs(cell))
            found[site] = names.setdefault(key, len(names))
        self.memory = found

    def _inputs(self, cell: Cell) -> tuple[object, ...]:
        return tuple(
            (pin, False if signal is None else self.of(signal))
            for pin, signal in sorted(cell.inputs.items())
        )


def _rank(place: tuple[str, Signal]) -> tuple[str, ...]:
    pin, signal = place
    return (signal.cell, signal.port) if isinstance(signal, Net) else ("", pin)


def _settings(cell: Cell) -> object:
    named = {name: value for name, value in cell.parameters.items() if value not in (0, "0")}
    named.pop(_NUMBER_OF_CONTENTS, None)
    return cell.kind, tuple(sorted(named.items()))


def _wire(variables: Variables, table: int, names: dict[object, int]) -> Signal:
    """The class of a function: one that is already there, or its own, whose value at 0 is 0."""
    plain = variables.nets(table)
    if plain is not None:
        return plain
    keys, reduced = variables.needed(table)
    negative = bool(reduced & 1)
    if negative:
        reduced ^= (1 << (1 << len(keys))) - 1
    key = (keys, reduced)
    return Net(f"logic {names.setdefault(key, len(names))}", "", negative)


Place = tuple[str, str]
"""Cell and output."""


def _in_order(netlist: Netlist) -> dict[Place, Cell]:
    """Outputs that follow inputs at once, each behind those that it reads.

    Their cells are given with 0 at pins that the output does not depend on.
    """
    every = {
        (site, port): cell if cell.kind == "LUTRAM" else for_output(cell, port)
        for site, cell in netlist.cells.items()
        if cell.kind in (*LOGIC, "LUTRAM")
        for port in cell.outputs
    }
    done: dict[Place, Cell] = {}
    for first in every:
        waiting = [] if first in done else [(first, _read_at_once(every, first))]
        opened = {first}
        while waiting:
            place, readers = waiting[-1]
            following = next((each for each in readers if each not in done), None)
            if following is None:
                waiting.pop()
                done[place] = every[place]
            elif following in opened:
                raise SynthesisError(f"bitstream: the logic at {following[0]} is in a circle")
            else:
                opened.add(following)
                waiting.append((following, _read_at_once(every, following)))
    return done


def _read_at_once(every: Mapping[Place, Cell], place: Place) -> Iterator[Place]:
    cell = every[place]
    for pin, signal in cell.inputs.items():
        at_once = cell.kind in LOGIC or pin in _READ
        if at_once and isinstance(signal, Net) and signal[:2] in every:
            yield signal[:2]
