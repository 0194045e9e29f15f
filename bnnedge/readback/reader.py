"""From wires to signals: which cell an output wire belongs to, and what comes to an input."""

import re

from bnnedge.errors import SynthesisError
from bnnedge.readback.fabric import Fabric, text_of
from bnnedge.readback.netlist import Cell, Net, Signal
from bnnedge.readback.trellis import Node

SLICES = "ABCD"
_LUT = re.compile(r"F([0-7])_SLICE")
_SUM = re.compile(r"F([5X])([ABCD])_SLICE")
_CARRY = re.compile(r"FCO([ABC]?)_SLICE")
_REGISTER = re.compile(r"Q([0-7])_SLICE")
_MEMORY = re.compile(r"J(DO[AB]\d+)_EBR")
_PLL = re.compile(r"J(CLKOP|LOCK)_PLL")
_PAD = re.compile(r"JPADDI([ABCD])_PIO")
_BLOCKS = {"MIB_EBR2": 1, "MIB_EBR4": 2, "MIB_EBR6": 3}


class Reader:
    """Signals of a configured device, and the cells that were met and are to be read.

    Attributes:
        fabric: the device.
        cells: read so far, by site.
        waiting: sites that were met, with their places.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.cells: dict[str, Cell] = {}
        self.waiting: dict[str, tuple[int, int]] = {}
        self.met: set[str] = set()

    def signal(self, row: int, column: int, wire: str, *, open_: bool = False) -> Signal:
        """What comes to a wire that is the input of a cell; None: nothing, if it may be `open_`.

        Raises:
            SynthesisError: it comes from a cell that is not understood, or leads nowhere.
        """
        end, chosen = self.fabric.end_of((row, column, wire))
        net = self.output(end)
        if net is not None:
            self.meet(net.cell, end)
            return net
        if _CARRY.fullmatch(end[2]):
            return None  # the neighbour is no carry cell
        if chosen:
            raise SynthesisError(f"bitstream: {text_of(end)} is read, and nothing drives it")
        if end[2].startswith(("FCI", "HFI")):
            return None
        level = self.fabric.constant(end)
        if level is None and not open_:
            raise SynthesisError(
                f"bitstream: {text_of(end)} is read, and neither routed nor constant"
            )
        return level

    def meet(self, site: str, at: Node) -> None:
        """Let a cell be read, if it was not before."""
        if site not in self.met:
            self.met.add(site)
            self.waiting[site] = at[:2]

    def meet_table(self, row: int, column: int, number: int) -> None:
        """Let a table 0 to 7 be read, or the cell that it is a part of.

        A RAM is four columns, of which some may be read by nothing, and a port that writes them.
        """
        name, mode = SLICES[number // 2], self.mode(row, column, number // 2)
        if mode in ("DPRAM", "RAMW"):
            parts = [f"SLICE{each}.K{half}" for each in "AB" for half in (0, 1)]
        else:
            parts = [f"SLICE{name}" if mode == "CCU2" else f"SLICE{name}.K{number % 2}"]
        for part in parts:
            self.meet(f"X{column}/Y{row}/{part}", (row, column, ""))

    def output(self, node: Node) -> Net | None:
        """The net of a wire that is the output of a cell; None: it is none."""
        row, column, wire = node
        place = f"X{column}/Y{row}"
        if found := _LUT.fullmatch(wire):
            number = int(found[1])
            site = f"{place}/SLICE{SLICES[number // 2]}.K{number % 2}"
            return Net(site, "Z" if self.mode(row, column, number // 2) == "LOGIC" else "DO")
        if found := _SUM.fullmatch(wire):
            site, half = f"{place}/SLICE{found[2]}", "5X".index(found[1])
            mode = self.mode(row, column, SLICES.index(found[2]))
            if mode not in ("LOGIC", "CCU2"):
                raise SynthesisError(f"bitstream: {text_of(node)} is a multiplexer of RAM")
            return Net(f"{site}.OFX{half}", "Z") if mode == "LOGIC" else Net(site, f"S{half}")
        if found := _CARRY.fullmatch(wire):
            name = found[1] or "D"
            carry = self.mode(row, column, SLICES.index(name)) == "CCU2"
            return Net(f"{place}/SLICE{name}", "COUT") if carry else None
        if found := _REGISTER.fullmatch(wire):
            number = int(found[1])
            return Net(f"{place}/SLICE{SLICES[number // 2]}.FF{number % 2}", "Q")
        if found := _MEMORY.fullmatch(wire):
            return Net(f"{place}/EBR{self.block(row, column)}", found[1])
        if found := _PLL.fullmatch(wire):
            return Net(f"{place}/PLL", found[1])
        if found := _PAD.fullmatch(wire):
            return Net(f"{place}/PIO{found[1]}", "O")
        if wire.endswith(("_SLICE", "_EBR", "_PLL", "_PIO")) and wire[0] != "J" and "_PIO" in wire:
            raise SynthesisError(f"bitstream: {text_of(node)} is an output that is not understood")
        return None

    def mode(self, row: int, column: int, index: int) -> str:
        """What a slice is used as."""
        return self.fabric.enum(logic_tile(row, column), f"SLICE{SLICES[index]}.MODE")

    def block(self, row: int, column: int) -> int:
        """The number of the block RAM that begins at a place."""
        fabric = self.fabric
        for tile in fabric.device.tiles.get((row, column), ()):
            kind = fabric.device.kinds[tile]
            if kind.startswith(("MIB_EBR", "EBR_")):
                return _BLOCKS.get(kind, 0)
        raise SynthesisError(f"bitstream: there is no block RAM in row {row}, column {column}")


def logic_tile(row: int, column: int) -> str:
    """The name of a tile of slices."""
    return f"R{row}C{column}:PLC2"
