"""The netlist of a bitstream against the one that was placed: cell by cell, for all inputs.

Tables of logic are compared by exhaustion over their drivers, so that the router may permute pins
and constants may have been put in; everything else one by one. Cells that only the bitstream has,
which bring constants, or a carry chain in and out, must be plain wires, by exhaustion as well.
"""

import functools
from collections import Counter
from collections.abc import Mapping

from bnnedge.errors import MismatchError
from bnnedge.readback.expected import Placed
from bnnedge.readback.functions import LOGIC, Variables, for_output, tables
from bnnedge.readback.netlist import Cell, Net, Netlist, Signal

_CLASSES = {
    "LUT4": "functions of lookup tables",
    "PFUMX": "multiplexers of lookup tables",
    "L6MUX21": "multiplexers of lookup tables",
    "CCU2C": "functions of carry cells",
    "TRELLIS_FF": "flip-flops",
    "LUTRAM": "RAM columns in lookup tables",
    "DP16KD": "block RAMs",
    "EHXPLLL": "PLLs",
}
_NOT_COMPARED = ("WID",)  # the number that joins a block RAM and its contents


class Comparison:
    """One comparison.

    Args:
        found: what the bitstream is.
        placed: what it should be.
    """

    def __init__(self, found: Netlist, placed: Placed) -> None:
        self.found, self.expected, self.names = found, placed.netlist, placed.names
        self.counts: Counter[str] = Counter()
        self._open: set[tuple[str, ...]] = set()  # cells being resolved
        self._read = {signal[:2] for signal in self.expected.signals if isinstance(signal, Net)}
        self._resolve = functools.cache(self._resolve_net)

    def run(self) -> Mapping[str, int]:
        """Compare everything.

        Returns:
            How many of each class were compared.

        Raises:
            MismatchError: names the first cell that differs, and in what.
        """
        for site in sorted(self.expected.cells.keys() - self.found.cells.keys()):
            self._fail(site, "is not in the bitstream")
        for site in sorted(self.found.cells):
            found, expected = self.found.cells[site], self.expected.cells.get(site)
            if expected is None:
                if found.kind not in LOGIC:
                    self._fail(site, f"is a {found.kind} that the netlist has not")
                self.counts["cells for constants and carry chains"] += 1
                continue
            if found.kind != expected.kind:
                self._fail(site, f"should be a {expected.kind}, is a {found.kind}")
            if found.kind in LOGIC:
                self._compare_function(site, found, expected)
            else:
                self._compare_settings(site, found, expected)
                self._compare_inputs(site, found, expected)
            self.counts[_CLASSES[found.kind]] += 1
        self._compare_pins()
        return dict(sorted(self.counts.items()))

    def _compare_function(self, site: str, found: Cell, expected: Cell) -> None:
        places = [
            *((pin, self._resolved(signal)) for pin, signal in found.inputs.items()),
            *expected.inputs.items(),
        ]
        variables = Variables(places)
        got = tables(found, self._resolved, variables)
        wanted = tables(expected, lambda signal: signal, variables)
        for port, table in wanted.items():
            if (site, port) in self._read and got[port] != table:
                self._fail(site, f"computes another {port}")
        self.counts["connections"] += variables.count

    def _compare_settings(self, site: str, found: Cell, expected: Cell) -> None:
        for name, value in found.parameters.items():
            wanted = expected.parameters.get(name, 0)
            if name in _NOT_COMPARED:
                continue
            if isinstance(value, tuple):
                assert isinstance(wanted, tuple)
                self._compare_words(site, value, wanted)
            elif value != wanted:
                self._fail(site, f"{name}: wanted {wanted}, got {value}")
            elif found.kind == "LUTRAM":
                self.counts["bits of RAM"] += 16
            else:
                self.counts["settings"] += 1

    def _compare_words(self, site: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
        for address, (one, other) in enumerate(zip(got, wanted, strict=True)):
            if one != other:
                self._fail(site, f"word {address}: wanted {other:05x}, got {one:05x}")
        self.counts["bits of RAM"] += 18 * len(got)

    def _compare_inputs(self, site: str, found: Cell, expected: Cell) -> None:
        for pin, signal in found.inputs.items():
            got, wanted = self._resolved(signal), expected.inputs.get(pin)
            if got != wanted:
                self._fail(site, f"{pin}: wanted {self._text(wanted)}, got {self._text(got)}")
            self.counts["connections" if isinstance(got, Net) else "constant inputs"] += 1

    def _compare_pins(self) -> None:
        if self.found.inputs != self.expected.inputs:
            raise MismatchError("bitstream: its input pins are not the netlist's")
        for port, wanted in self.expected.outputs.items():
            got = self._resolved(self.found.outputs.get(port))
            if got != wanted:
                raise MismatchError(
                    f"bitstream: pin {port}: wanted {self._text(wanted)}, got {self._text(got)}"
                )
        if extra := self.found.outputs.keys() - self.expected.outputs.keys():
            raise MismatchError(f"bitstream: output pin {min(extra)} is not the netlist's")
        self.counts["pins"] = len(self.expected.inputs) + len(self.expected.outputs)

    def _resolved(self, signal: Signal) -> Signal:
        """A signal, behind cells that only the bitstream has."""
        return self._resolve(signal) if isinstance(signal, Net) else signal

    def _resolve_net(self, net: Net) -> Signal:
        cell = self.found.cells.get(net.cell)
        if net.cell in self.expected.cells or cell is None:
            return net
        if cell.kind not in LOGIC:
            self._fail(net.cell, f"is a {cell.kind} that the netlist has not")
        if net[:2] in self._open:
            self._fail(net.cell, "is in a circle")
        self._open.add(net[:2])
        cell = for_output(cell, net.port)
        variables = Variables([(p, self._resolved(s)) for p, s in cell.inputs.items()])
        table = tables(cell, self._resolved, variables)[net.port]
        self._open.discard(net[:2])
        found = variables.nets(table ^ variables.all if net.inverted else table)
        if found is None:
            self._fail(net.cell, "is more than a wire, and not in the netlist")
        return found

    def _text(self, signal: Signal) -> str:
        if isinstance(signal, Net):
            name = self.names.get(signal.cell, signal.cell)
            return f"{'not ' if signal.inverted else ''}{signal.port} of {name}"
        return "nothing" if signal is None else f"constant {int(signal)}"

    def _fail(self, site: str, what: str) -> None:
        name = f"{self.names[site]} at " if site in self.names else ""
        raise MismatchError(f"bitstream differs from the netlist: {name}{site} {what}")
