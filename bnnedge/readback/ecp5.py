"""The netlist of an ECP5's bitstream, from its output pins backwards."""

import re

from bnnedge.errors import SynthesisError
from bnnedge.families.placed import FpgaBoard
from bnnedge.readback.blocks import read_block, read_pll
from bnnedge.readback.fabric import Fabric
from bnnedge.readback.netlist import Net, Netlist
from bnnedge.readback.pads import read_output, read_pads
from bnnedge.readback.reader import Reader
from bnnedge.readback.slices import read_carry, read_register, read_table
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
    """
    if configuration.device != board.device:
        raise SynthesisError(
            f"bitstream: it is for {configuration.device}, {board.name} has a {board.device}"
        )
    fabric = Fabric(device, configuration)
    reader = Reader(fabric)
    inputs, places = read_pads(reader, board)
    outputs = {port: read_output(reader, *place) for port, place in places.items()}
    while reader.waiting:
        site, (row, column) = reader.waiting.popitem()
        part = site.rsplit("/", 1)[1]
        if part == "PLL":
            cell = read_pll(reader, site, row, column)
        elif part.startswith("EBR"):
            cell = read_block(reader, site, row, column)
        elif ".K" in part:
            cell = read_table(reader, site, row, column)
        elif ".FF" in part:
            cell = read_register(reader, site, row, column)
        elif part.startswith("SLICE"):
            cell = read_carry(reader, site, row, column)
        else:
            raise SynthesisError(f"bitstream: {site} is read, and is no pin of {board.name}")
        reader.cells[site] = cell
    _read_quadrants(reader)
    read = {cell.parameters["WID"] for cell in reader.cells.values() if cell.kind == "DP16KD"}
    if other := set(configuration.memories) - read:
        raise SynthesisError(
            f"bitstream: contents {min(other)} belong to no block RAM that is read"
        )
    fabric.require_all_read(base)
    return Netlist(cells=reader.cells, inputs=inputs, outputs=outputs), fabric


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
