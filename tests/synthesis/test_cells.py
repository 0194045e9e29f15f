"""Models of block RAM, in every width, against the memory that Yosys mapped to it."""

import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bnnedge import tools
from bnnedge.errors import SimulationError
from bnnedge.families.ecp5 import Ecp5
from bnnedge.families.ecp5_registers import move_registers
from bnnedge.families.ice40 import Ice40
from bnnedge.families.placed import NETLIST_JSON, NETLIST_VERILOG, PlacedFamily
from bnnedge.synthesis.yosys import write_verilog
from bnnedge.verilated.serial import SerialModel, SerialPorts, compile_serial_model

SV = Path(__file__).parent / "sv"
CLOCKS = 40_000  # every address of the deepest memory, and more
MEMORIES = {"rom36": (36, 512), "rom18": (18, 1024), "rom9": (9, 2048), "rom4": (4, 4096)}
MEMORIES |= {"rom2": (2, 8192), "rom1": (1, 16384), "ram": (18, 256)}
SCRIPT = """\
read_verilog -sv memories.sv
chparam -set Registered {} memories
tee -q -o synth.log {} -top memories
rename memories memories_netlist
write_json netlist.json
write_verilog -noattr netlist.v
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Memory files and the netlist of `memories` for ECP5."""
    return mapped(tmp_path_factory.mktemp("memories"), Ecp5())


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with registers, which the family has moved into the block RAMs."""
    folder, family = tmp_path_factory.mktemp("registered"), Ecp5()
    mapped(folder, family, registered=True)
    assert family.move_registers(folder / NETLIST_JSON)
    write_verilog(cwd=folder, log=folder / "yosys.log", timeout_s=300)
    return folder


def mapped(folder: Path, family: PlacedFamily, *, registered: bool = False) -> Path:
    """Write memory files and the netlist of `memories` for a family."""
    shutil.copyfile(SV / "memories.sv", folder / "memories.sv")
    random_ = random.Random(1)
    for name, (width, depth) in MEMORIES.items():
        words = (f"{random_.getrandbits(width):x}" for _ in range(depth))
        (folder / f"{name}.mem").write_text("\n".join(words))
    (folder / "synth.ys").write_text(SCRIPT.format(int(registered), family.synthesis))
    log = folder / "yosys.log"
    tools.run([tools.find("yosys"), "-q", "-s", "synth.ys"], cwd=folder, log=log, timeout_s=300)
    return folder


def run(folder: Path, netlist: str, family: PlacedFamily, *, registered: bool = False) -> None:
    (folder / "changed.v").write_text(netlist)
    library = compile_serial_model(
        sources=[
            *family.netlist_sources(folder / "changed.v"),
            SV / "memories.sv",
            SV / "memories_check.sv",
        ],
        top="memories_check",
        ports=SerialPorts(reset=None),
        defines={"NO_INCLUDES": "1", "REGISTERED": str(int(registered))},
    )
    with SerialModel(library, clocks_per_bit=8, data_folder=folder) as model:
        model.wait(CLOCKS)
        assert model.clocks == CLOCKS


def test_block_ram_of_every_width_reads_what_was_written(folder: Path) -> None:
    netlist = (folder / "netlist.v").read_text()
    widths = {int(w) for w in re.findall(r"\.DATA_WIDTH_[AB]\(32'd(\d+)\)", netlist)}
    assert widths == {1, 2, 4, 9, 18, 36}
    run(folder, netlist, Ecp5())


def test_one_changed_bit_of_a_block_ram_is_noticed(folder: Path) -> None:
    netlist = (folder / "netlist.v").read_text()
    word = re.search(r"\.INITVAL_2A\(320'h([0-9a-f]{80})\)", netlist)
    assert word is not None
    last = word.end(1) - 1
    changed = netlist[:last] + f"{int(netlist[last], 16) ^ 1:x}" + netlist[last + 1 :]
    with pytest.raises(SimulationError, match="netlist differs"):
        run(folder, changed, Ecp5())


def test_registers_in_block_ram_hold_and_take_what_those_behind_it_did(registered: Path) -> None:
    netlist = (registered / NETLIST_VERILOG).read_text()
    modes = re.findall(r'REGMODE_[AB]\("(.*)"\)', netlist)
    assert modes.count("OUTREG") == len(MEMORIES) + 1  # the one of 36 bits has two
    run(registered, netlist, Ecp5(), registered=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [(r"\.OCEB\([^)]*\)", ".OCEB(1'h1)"), (r'REGMODE_(.)\("OUTREG"\)', r'REGMODE_\1("NOREG")')],
)
def test_a_wrong_register_in_block_ram_is_noticed(old: str, new: str, registered: Path) -> None:
    netlist = (registered / NETLIST_VERILOG).read_text()
    with pytest.raises(SimulationError, match="netlist differs"):
        run(registered, re.sub(old, new, netlist), Ecp5(), registered=True)


def _block(width: int = 18, **pins: int | str) -> dict[str, Any]:
    """A block RAM whose port B shows nets 10 and 11."""
    connections = {f"DO{port}{bit}": [f"{port}{bit}"] for port in "AB" for bit in range(18)}
    connections |= {"DOB0": [10], "DOB1": [11], "CLKA": ["x"], "CLKB": [1], "RSTA": ["0"]}
    connections |= {"RSTB": ["0"], "OCEA": ["1"], "OCEB": ["1"]}
    connections |= {pin: [net] for pin, net in pins.items()}
    return {
        "type": "DP16KD",
        "parameters": {"DATA_WIDTH_B": f"{width:032b}"},
        "port_directions": {p: "output" if p[:2] == "DO" else "input" for p in connections},
        "connections": connections,
    }


def _register(di: int, q: int, **other: str) -> dict[str, Any]:
    """A register with net 1 as clock and net 2 as enable."""
    pins = {"DI": [di], "Q": [q], "CLK": [1], "CE": [2], "LSR": ["0"]}
    return {
        "type": "TRELLIS_FF",
        "parameters": {"CEMUX": "CE", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"} | other,
        "port_directions": {pin: "output" if pin == "Q" else "input" for pin in pins},
        "connections": pins,
    }


def _moved(block: dict[str, Any], *registers: dict[str, Any], shown: int = 20) -> int:
    cells = {"block": block} | {f"q{n}": register for n, register in enumerate(registers)}
    return move_registers({"cells": cells, "ports": {"y": {"bits": [shown]}}})


@pytest.mark.parametrize("width", [18, 36])
def test_registers_move_with_their_enable(width: int) -> None:
    block = _block(width)
    assert _moved(block, _register(10, 20), _register(11, 21)) == 2
    pins, letters = block["connections"], "AB" if width == 36 else "B"
    assert (pins["DOB0"], pins["DOB1"]) == ([20], [21])
    assert [pins[f"OCE{letter}"] for letter in letters] == [[2]] * len(letters)
    modes = {name for name in block["parameters"] if name.startswith("REGMODE")}
    assert modes == {f"REGMODE_{letter}" for letter in letters}


@pytest.mark.parametrize(
    "case",
    [
        (_block(), _register(10, 20), _register(10, 21)),  # read twice
        (_block(), _register(10, 20), _register(11, 21, CEMUX="1")),  # enabled otherwise
        (_block(), _register(10, 20, REGSET="SET")),  # begins with 1
        (_block(), _register(10, 20, CLKMUX="INV")),  # with the other edge
        (_block(CLKB=3), _register(10, 20)),  # another clock
        (_block(RSTB=4), _register(10, 20)),  # a reset that would be the register's, too
        (_block(DOB1=20), _register(10, 21)),  # a port of the module shows an output
    ],
)
def test_other_registers_stay(case: tuple[dict[str, Any], ...]) -> None:
    assert _moved(*case) == 0
    assert "REGMODE_B" not in case[0]["parameters"]


@pytest.mark.slow
def test_block_ram_of_ice40_reads_what_was_written(tmp_path: Path) -> None:
    family = Ice40()
    netlist = (mapped(tmp_path, family) / "netlist.v").read_text()
    assert {int(mode) for mode in re.findall(r"\.READ_MODE\([^)]*(\d)\)", netlist)} == {0, 1, 2, 3}
    run(tmp_path, netlist, family)
    word = re.search(r"\.INIT_2\(256'h([0-9a-f]{64})\)", netlist)
    assert word is not None
    last = word.end(1) - 1
    changed = netlist[:last] + f"{int(netlist[last], 16) ^ 1:x}" + netlist[last + 1 :]
    with pytest.raises(SimulationError, match="netlist differs"):
        run(tmp_path, changed, family)
