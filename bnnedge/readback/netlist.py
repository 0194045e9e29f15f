"""A netlist of an FPGA's cells, whatever it was read from, and its Verilog."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Net(NamedTuple):
    """What a cell's output drives, or the inverse of it."""

    cell: str
    port: str
    inverted: bool = False


Signal = Net | bool | None
"""What comes to an input: a net, a constant, or nothing that is known."""


def inverted(signal: Signal) -> Signal:
    """The inverse of a signal."""
    if isinstance(signal, Net):
        return signal._replace(inverted=not signal.inverted)
    return None if signal is None else not signal


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell at its site.

    Attributes:
        kind: e.g. "LUT4".
        parameters: by name; content of memories as a tuple of words.
        inputs: by port.
        outputs: ports.
    """

    kind: str
    parameters: Mapping[str, str | int | tuple[int, ...]]
    inputs: Mapping[str, Signal]
    outputs: tuple[str, ...]


def used_address(inputs: Mapping[str, Signal], widths: Mapping[str, int]) -> dict[str, Signal]:
    """Inputs of a block RAM, with 0 at bit 4 of the address of a port of 36 bits.

    It has no effect: bits 3 to 0 enable bytes, 13 to 5 are the address.

    Args:
        inputs: by pin.
        widths: in bits, by port, A or B.
    """
    return {**inputs, **{f"AD{port}4": False for port, width in widths.items() if width == 36}}


@dataclass(frozen=True, kw_only=True)
class Netlist:
    """Cells by their sites.

    Attributes:
        cells: by site, in the names of nextpnr: "X5/Y33/SLICEA.K0".
        inputs: nets that come from pins, by the name of the board's port.
        outputs: signals that go to pins, likewise.
    """

    cells: Mapping[str, Cell]
    inputs: Mapping[str, Net]
    outputs: Mapping[str, Signal]

    @property
    def kinds(self) -> Counter[str]:
        """How many cells of each kind."""
        return Counter(cell.kind for cell in self.cells.values())

    @property
    def signals(self) -> Iterator[Signal]:
        """Of every input of a cell, and of every output pin."""
        for cell in self.cells.values():
            yield from cell.inputs.values()
        yield from self.outputs.values()
