"""Pins: where a board's ports are, in which direction, with which standard, drive and pull."""

from bnnedge.errors import SynthesisError
from bnnedge.families.placed import FpgaBoard, Pin
from bnnedge.readback.fabric import Fabric
from bnnedge.readback.netlist import Net, Signal
from bnnedge.readback.reader import Reader

_STANDARD = "LVCMOS33"
_VOLTAGE = "3V3"


def read_pads(
    reader: Reader, board: FpgaBoard
) -> tuple[dict[str, Net], dict[str, tuple[int, int, str]]]:
    """The ports of a board: nets of inputs, and places of outputs, whose levels are read later.

    Raises:
        SynthesisError: a pin is not there, or not set as the board wants it.
    """
    device = reader.fabric.device
    package = device.packages["packages"].get(board.package)
    inputs: dict[str, Net] = {}
    outputs: dict[str, tuple[int, int, str]] = {}
    banks: set[int] = set()
    for port, pin in board.ports.items():
        where = (package or {}).get(pin.site)
        if where is None:
            raise SynthesisError(f"bitstream: {device.name} in {board.package} has no {pin.site}")
        row, column, name = where["row"], where["col"], where["pio"]
        site = f"X{column}/Y{row}/PIO{name}"
        direction = _direction(reader.fabric, row, column, name, pin)
        if direction == "INPUT":
            inputs[port] = Net(site, "O")
            reader.met.add(site)
        else:
            outputs[port] = (row, column, name)
            banks.add(_bank(reader.fabric, row, column, name))
    for bank in banks:
        _claim_bank(reader.fabric, bank)
    return inputs, outputs


def read_output(reader: Reader, row: int, column: int, name: str) -> Signal:
    """What goes to an output pin, whose driver has to be always on.

    Raises:
        SynthesisError: it is not.
    """
    if reader.signal(row, column, f"PADDT{name}_PIO") is not False:
        raise SynthesisError(f"bitstream: output PIO{name} of row {row}, column {column} is not on")
    return reader.signal(row, column, f"PADDO{name}_PIO")


def _direction(fabric: Fabric, row: int, column: int, name: str, pin: Pin) -> str:
    """Whether a pin is an input or an output; its bits are claimed.

    Bits of several standards are the same in a tile, so that bits are compared, not names.
    """
    for direction in ("INPUT", "OUTPUT"):
        wanted = {
            tile: _bits(fabric, tile, name, direction, pin)
            for tile in _tiles(fabric, row, column, name)
        }
        if any(wanted.values()) and all(bits <= fabric.bits(t) for t, bits in wanted.items()):
            for tile, bits in wanted.items():
                fabric.claim_bits(tile, bits)
            return direction
    raise SynthesisError(
        f"bitstream: pin {pin.site} is no {_STANDARD} input or output with pull {pin.pull.value}"
        f" and drive {pin.drive_ma or 'default'}"
    )


def _bits(fabric: Fabric, tile: str, name: str, direction: str, pin: Pin) -> frozenset[str]:
    """The bits that nextpnr sets in a tile for a pin: one value after the other, in this order."""
    enums = fabric.device.kind(tile).enums
    values = {"BASE_TYPE": f"{direction}_{_STANDARD}"}
    if _is_main(fabric, tile):
        values |= {"HYSTERESIS": "ON"} if direction == "INPUT" else {}
        values["PULLMODE"] = pin.pull.value
        values |= {} if pin.drive_ma is None else {"DRIVE": str(pin.drive_ma)}
    found: frozenset[str] = frozenset()
    for each, value in values.items():
        if value in enums.get(f"PIO{name}.{each}", ()):
            present, absent = enums[f"PIO{name}.{each}"][value]
            found = (found | present) - absent
    return found


def _is_main(fabric: Fabric, tile: str) -> bool:
    """Whether a tile holds more of a pin's settings than its direction."""
    return any(each.endswith(".PULLMODE") for each in fabric.device.kind(tile).enums)


def _tiles(fabric: Fabric, row: int, column: int, name: str) -> list[str]:
    """The tiles that hold a pin's settings."""
    device = fabric.device
    last_row = max(place[0] for place in device.tiles)
    right = int(name == "B")
    if row == 0:
        places = [(0, column + right, "PIOT"), (1, column + right, "PICT")]
    elif row == last_row:
        places = [(row, column + right, "")]
    else:
        kinds = "PICL" if column == 0 else "PICR"
        side = (row, column, kinds) if name in "AB" else (row + 2, column, "")
        places = [(row + 1, column, kinds), side]
    return [
        tile
        for down, across, kind in places
        for tile in device.tiles.get((down, across), ())
        if device.kinds[tile].startswith(kind)
        and any(each.startswith(f"PIO{name}.") for each in device.kind(tile).enums)
    ]


def _bank(fabric: Fabric, row: int, column: int, name: str) -> int:
    for pad in fabric.device.packages["pio_metadata"]:
        if (pad["row"], pad["col"], pad["pio"]) == (row, column, name):
            return int(pad["bank"])
    raise SynthesisError(f"bitstream: PIO{name} of row {row}, column {column} is in no bank")


def _claim_bank(fabric: Fabric, bank: int) -> None:
    """The voltage of a bank with outputs."""
    for tile, kind in fabric.device.kinds.items():
        if kind.startswith(f"BANKREF{bank}") and "BANK.VCCIO" in fabric.device.kind(tile).enums:
            fabric.claim(tile, ("enum", "BANK.VCCIO", _VOLTAGE))
