"""The cells of slices: lookup tables and their multiplexers, carries, RAM in them, flip-flops.

A slice (Lattice FPGA-TN-02183, ECP5 PFU) has two tables K0, K1 and two flip-flops. A table's word
holds, from its least significant bit, the outputs for {D, C, B, A} = 0, 1, … A multiplexer OFX0
chooses between its tables, OFX1 between multiplexers of slices.
"""

from bnnedge.errors import SynthesisError
from bnnedge.readback.netlist import Cell, Signal, inverted
from bnnedge.readback.reader import SLICES, Reader, logic_tile

_WRITE_ADDRESS = "DBCA"  # pins of K0 of slice C, from bit 0
_WRITE_DATA = "CADB"  # pins of its K1, by table
_READ_ADDRESS = "DBCA"
_PORT = 2  # slice C writes, A and B read


def read_table(reader: Reader, site: str, row: int, column: int) -> Cell:
    """The table of a slice in logic mode, or one that is a column of RAM.

    Raises:
        SynthesisError: the slice is in a mode in which its tables are not by themselves.
    """
    index, half = SLICES.index(site[-4]), int(site[-1])
    mode = reader.mode(row, column, index)
    init = _init(reader, row, column, index, half)
    pins = {pin: table_pin(reader, row, column, 2 * index + half, pin) for pin in "ABCD"}
    if mode == "LOGIC":
        return Cell(kind="LUT4", parameters={"INIT": init}, inputs=pins, outputs=("Z",))
    if mode != "DPRAM" or reader.mode(row, column, _PORT) != "RAMW":
        raise SynthesisError(f"bitstream: {site}: a table in mode {mode} is not understood")
    number = 2 * index + half
    reader.meet_table(row, column, number)
    data = _WRITE_DATA[number]
    inputs = {f"RAD[{bit}]": pins[pin] for bit, pin in enumerate(_READ_ADDRESS)}
    for bit, pin in enumerate(_WRITE_ADDRESS):
        inputs[f"WAD[{bit}]"] = table_pin(reader, row, column, 2 * _PORT, pin)
    inputs["DI"] = table_pin(reader, row, column, 2 * _PORT + 1, data, open_=True)
    inputs["WRE"] = _write_enable(reader, row, column)
    inputs["WCK"] = _through(reader, row, column, "CLK1", "CLK")
    for written in (0, 1):  # what the port's own tables hold has no effect, and is nothing
        if _init(reader, row, column, _PORT, written):
            raise SynthesisError(f"bitstream: {site}: the write port has contents of its own")
    content = sum(
        (init >> sum((address >> bit & 1) << "ABCD".index(p) for bit, p in enumerate("DBCA")) & 1)
        << address
        for address in range(16)
    )
    return Cell(kind="LUTRAM", parameters={"INIT": content}, inputs=inputs, outputs=("DO",))


def read_multiplexer(reader: Reader, site: str, row: int, column: int) -> Cell:
    """One of tables of five inputs, OFX0, or of six or seven, OFX1."""
    name, half = site[-6], int(site[-1])
    number = 2 * SLICES.index(name) + half
    chooses = table_pin(reader, row, column, number, "M")
    kind, pins, wires = (
        ("L6MUX21", ("D0", "D1", "SD"), (f"FXA{name}", f"FXB{name}"))
        if half
        else ("PFUMX", ("BLUT", "ALUT", "C0"), (f"F{number}", f"F{number + 1}"))
    )
    chosen = (reader.signal(row, column, f"{wire}_SLICE") for wire in wires)
    inputs = dict(zip(pins, (*chosen, chooses), strict=True))
    return Cell(kind=kind, parameters={}, inputs=inputs, outputs=("Z",))


def read_carry(reader: Reader, site: str, row: int, column: int) -> Cell:
    """Two bits of a carry chain."""
    index = SLICES.index(site[-1])
    tile = logic_tile(row, column)
    parameters: dict[str, str | int | tuple[int, ...]] = {}
    inputs: dict[str, Signal] = {}
    for half in (0, 1):
        for pin in "ABCD":
            inputs[f"{pin}{half}"] = table_pin(reader, row, column, 2 * index + half, pin)
        parameters[f"INIT{half}"] = _init(reader, row, column, index, half)
        name = f"SLICE{site[-1]}.CCU2.INJECT1_{half}"
        parameters[f"INJECT1_{half}"] = reader.fabric.enum(tile, name)
    wire = "FCI_SLICE" if index == 0 else f"FCI{site[-1]}_SLICE"
    inputs["CIN"] = reader.signal(row, column, wire)
    return Cell(kind="CCU2C", parameters=parameters, inputs=inputs, outputs=("S0", "S1", "COUT"))


def read_register(reader: Reader, site: str, row: int, column: int) -> Cell:
    """A flip-flop with what comes to it, after the inverters on the way.

    Raises:
        SynthesisError: it is loaded with other than constants.
    """
    fabric, tile = reader.fabric, logic_tile(row, column)
    name, half = site[-5], int(site[-1])
    index = SLICES.index(name)
    number = 2 * index + half
    register = f"SLICE{name}.REG{half}"
    if fabric.enum(tile, f"{register}.LSRMODE") != "LSR":
        raise SynthesisError(f"bitstream: {site} loads its reset's value, which is not understood")
    from_table = fabric.enum(tile, f"{register}.SD") == "1"
    data = (
        reader.signal(row, column, f"DI{number}_SLICE")
        if from_table
        else table_pin(reader, row, column, number, "M")
    )
    reset, mode = _reset(reader, row, column, index)
    clock = fabric.source_of((row, column, f"MUXCLK{index}"))
    if clock is None:
        raise SynthesisError(f"bitstream: {site} has no clock")
    reader.fabric.end_of((row, column, f"CLK{index}_SLICE"))
    return Cell(
        kind="TRELLIS_FF",
        parameters={
            "REGSET": fabric.enum(tile, f"{register}.REGSET"),
            "GSR": fabric.enum(tile, f"SLICE{name}.GSR"),
            "SRMODE": mode,
        },
        inputs={
            "DI": data,
            "CE": _clock_enable(reader, row, column, name, index),
            "LSR": reset,
            "CLK": _through(reader, row, column, clock[2], "CLK"),
        },
        outputs=("Q",),
    )


def table_pin(
    reader: Reader, row: int, column: int, number: int, pin: str, *, open_: bool = False
) -> Signal:
    """What comes to a pin (A to D, or M) of a table 0 to 7; for `open_` see `Reader.signal`."""
    slice_, half = SLICES[number // 2], number % 2
    name = f"SLICE{slice_}.{pin}{half}MUX"
    if reader.fabric.enum(logic_tile(row, column), name) == "1":
        return True
    return reader.signal(row, column, f"{pin}{number}_SLICE", open_=open_)


def _init(reader: Reader, row: int, column: int, index: int, half: int) -> int:
    name = f"SLICE{SLICES[index]}.K{half}.INIT"
    return int(reader.fabric.word(logic_tile(row, column), name), 2)


def _through(reader: Reader, row: int, column: int, wire: str, what: str) -> Signal:
    """What a tile's clock or reset wire carries behind its inverter."""
    signal = reader.signal(row, column, wire)
    value = reader.fabric.enum(logic_tile(row, column), f"{wire}.{what}MUX")
    return inverted(signal) if value == "INV" else signal


def _reset(reader: Reader, row: int, column: int, index: int) -> tuple[Signal, str]:
    """A slice's reset, and whether it waits for the clock; never where nothing is chosen."""
    fabric, tile = reader.fabric, logic_tile(row, column)
    chosen = fabric.source_of((row, column, f"MUXLSR{index}"))
    if chosen is None:
        return False, "LSR_OVER_CE"
    wire = chosen[2]
    fabric.end_of((row, column, f"LSR{index}_SLICE"))
    return _through(reader, row, column, wire, "LSR"), fabric.enum(tile, f"{wire}.SRMODE")


def _clock_enable(reader: Reader, row: int, column: int, name: str, index: int) -> Signal:
    value = reader.fabric.enum(logic_tile(row, column), f"SLICE{name}.CEMUX")
    if value in ("0", "1"):
        return value == "1"
    signal = reader.signal(row, column, f"CE{index}_SLICE")
    return inverted(signal) if value == "INV" else signal


def _write_enable(reader: Reader, row: int, column: int) -> Signal:
    """The write enable of a tile's RAM; its inverter is that of the tile's second reset."""
    value = reader.fabric.enum(logic_tile(row, column), "SLICEA.WREMUX")
    if value in ("0", "1"):
        return value == "1"
    signal = _through(reader, row, column, "LSR1", "LSR")
    if (value == "INV") != (reader.fabric.enum(logic_tile(row, column), "LSR1.LSRMUX") == "INV"):
        raise SynthesisError(f"bitstream: {logic_tile(row, column)}: a write enable in two ways")
    return signal
