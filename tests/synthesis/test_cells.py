"""Models of block RAM, in every width, against the memory that Yosys mapped to it."""

import random
import re
import shutil
from pathlib import Path

import pytest

from bnnedge import tools
from bnnedge.errors import SimulationError
from bnnedge.families.ecp5 import Ecp5
from bnnedge.families.ice40 import Ice40
from bnnedge.families.placed import PlacedFamily
from bnnedge.verilated.serial import SerialModel, SerialPorts, compile_serial_model

SV = Path(__file__).parent / "sv"
CLOCKS = 40_000  # every address of the deepest memory, and more
MEMORIES = {"rom36": (36, 512), "rom18": (18, 1024), "rom9": (9, 2048), "rom4": (4, 4096)}
MEMORIES |= {"rom2": (2, 8192), "rom1": (1, 16384), "ram": (18, 256)}
SCRIPT = """\
read_verilog -sv memories.sv
tee -q -o synth.log {} -top memories
rename memories memories_netlist
write_verilog -noattr netlist.v
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Memory files and the netlist of `memories` for ECP5."""
    return mapped(tmp_path_factory.mktemp("memories"), Ecp5())


def mapped(folder: Path, family: PlacedFamily) -> Path:
    """Write memory files and the netlist of `memories` for a family."""
    shutil.copyfile(SV / "memories.sv", folder / "memories.sv")
    random_ = random.Random(1)
    for name, (width, depth) in MEMORIES.items():
        words = (f"{random_.getrandbits(width):x}" for _ in range(depth))
        (folder / f"{name}.mem").write_text("\n".join(words))
    (folder / "synth.ys").write_text(SCRIPT.format(family.synthesis))
    log = folder / "yosys.log"
    tools.run([tools.find("yosys"), "-q", "-s", "synth.ys"], cwd=folder, log=log, timeout_s=300)
    return folder


def run(folder: Path, netlist: str, family: PlacedFamily) -> None:
    (folder / "changed.v").write_text(netlist)
    library = compile_serial_model(
        sources=[
            *family.netlist_sources(folder / "changed.v"),
            SV / "memories.sv",
            SV / "memories_check.sv",
        ],
        top="memories_check",
        ports=SerialPorts(reset=None),
        defines={"NO_INCLUDES": "1"},
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
