"""The netlist of an ECP5's bitstream, from its output pins backwards.

Then from what is left over: logic on which no output depends is read, too, so that what it is can
be compared, or seen to be read by nothing.
"""

import re

from bnnedge.errors import MismatchError, SynthesisError
from bnnedge.families.placed import FpgaBoard
from bnnedge.readback.blocks import read_block, read_pll
from bnnedge.readback.fabric import Fabric
from bnnedge.readback.netlist import Net, Netlist
from bnnedge.readback.pads import read_output, read_pads
from bnnedge.readback.reader import Reader
from bnnedge.readback.slices import read_carry, read_multiplexer, read_register, read_table
from bnnedge.readback.trellis import Configuration, Device


def read_netlist(
    configuration: Configuration, base: Configuration, board: FpgaBoard, device: Device
) -> tuple[Netlist, Fabric]:
    """What a bitstream for a board is, whole: no bit of it is left over.

    Args:
        configuration: what the bitstream says.
        base: what one without a design says.
        board: whose pins it has.
        device: the board's.

    Returns:
        The netlist, and the wires that it was read from.

    Raises:
        SynthesisError: something is not understood; names the tile and its setting.
        MismatchError: it is for another device.
    """
    if configuration.device != board.device:
        raise MismatchError(
            f"bitstream: it is for {configuration.device}, {board.name} has a {board.device}"
        )
    fabric = Fabric(device, configuration)
    reader = Reader(fabric)
    inputs, places = read_pads(reader, board)
    outputs = {port: read_output(reader, *place) for port, place in places.items()}
    _read_cells(reader)
    while _meet_unread(reader):
        _read_cells(reader)
    _read_quadrants(reader)
    read = {cell.parameters["WID"] for cell in reader.cells.values() if cell.kind == "DP16KD"}
    if other := set(configuration.memories) - read:
        raise SynthesisError(
            f"bitstream: contents {min(other)} belong to no block RAM that is read"
        )
    fabric.require_all_read(base)
    return Netlist(cells=reader.cells, inputs=inputs, outputs=outputs), fabric


def _read_cells(reader: Reader) -> None:
    """Read the cells that were met, and those that are met by it."""
    while reader.waiting:
        site, (row, column) = reader.waiting.popitem()
        part = site.rsplit("/", 1)[1]
        if part == "PLL":
            cell = read_pll(reader, site, row, column)
        elif part.startswith("EBR"):
            cell = read_block(reader, site, row, column)
        elif ".K" in part:
            cell = read_table(reader, site, row, column)
        elif ".OFX" in part:
            cell = read_multiplexer(reader, site, row, column)
        elif ".FF" in part:
            cell = read_register(reader, site, row, column)
        elif part.startswith("SLICE"):
            cell = read_carry(reader, site, row, column)
        else:
            raise SynthesisError(f"bitstream: {site} is read, and is no pin of the board's")
        reader.cells[site] = cell


_PIN = re.compile(r"[ABCD]([0-7])")


def _meet_unread(reader: Reader) -> bool:
    """Let the tables be read to whose pins something was routed; whether there were any."""
    fabric = reader.fabric
    for row, column, wire in fabric.chosen.keys() - fabric.read:
        if found := _PIN.fullmatch(wire):
            reader.meet_table(row, column, int(found[1]))
    return bool(reader.waiting)


_QUADRANT = re.compile(r"G_[UL][LR]PCLK\d+")


def _read_quadrants(reader: Reader) -> None:
    """Clocks go to all quadrants, also where nothing is clocked: one of the design's, then."""
    for row, column, wire in reader.fabric.chosen:
        if _QUADRANT.fullmatch(wire):
            net = reader.signal(row, column, wire)
            if not isinstance(net, Net) or net.cell not in {*reader.cells, *reader.met}:
                raise SynthesisError(f"bitstream: {wire} carries no clock of the design")
            if reader.waiting:
                raise SynthesisError(f"bitstream: {wire} carries a clock that nothing else has")
