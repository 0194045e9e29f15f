"""The ECP5 form of the agreement count against the portable one, clock by clock."""

import shutil
from pathlib import Path

import pytest

from bnnedge import tools
from bnnedge.errors import SimulationError
from bnnedge.families.ecp5 import Ecp5
from bnnedge.hardware.kernels import SV_FOLDER
from bnnedge.verilated.serial import SerialModel, SerialPorts, compile_serial_model

SV = Path(__file__).parent / "sv"
CLOCKS = 50_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The netlist of `popcounts`."""
    folder = tmp_path_factory.mktemp("popcounts")
    shutil.copyfile(SV_FOLDER / "popcount.sv", folder / "popcount.sv")
    shutil.copyfile(SV / "popcounts.sv", folder / "popcounts.sv")
    Ecp5().write_overrides(folder)
    script = (
        "read_verilog -sv -defer popcount.sv popcounts.sv",
        *Ecp5().override_commands(),
        *Ecp5().synthesis_commands("popcounts"),
        "rename popcounts popcounts_netlist",
        "write_verilog -noattr netlist.v",
    )
    (folder / "synth.ys").write_text("\n".join(script) + "\n")
    log = folder / "yosys.log"
    tools.run([tools.find("yosys"), "-q", "-s", "synth.ys"], cwd=folder, log=log, timeout_s=300)
    return folder


def run(folder: Path, netlist: str) -> None:
    (folder / "changed.v").write_text(netlist)
    library = compile_serial_model(
        sources=[
            *Ecp5().netlist_sources(folder / "changed.v"),
            SV_FOLDER / "popcount.sv",
            SV / "popcounts.sv",
            SV / "popcounts_check.sv",
        ],
        top="popcounts_check",
        ports=SerialPorts(reset=None),
        defines={"NO_INCLUDES": "1"},
    )
    with SerialModel(library, clocks_per_bit=8, data_folder=folder) as model:
        model.wait(CLOCKS)
        assert model.clocks == CLOCKS


def test_ecp5_form_counts_like_the_portable_one(folder: Path) -> None:
    netlist = (folder / "netlist.v").read_text()
    assert ".INIT1(16'h6996)" in netlist  # the ECP5 form, not what Yosys makes of the portable one
    run(folder, netlist)


def test_one_changed_table_is_noticed(folder: Path) -> None:
    netlist = (folder / "netlist.v").read_text()
    table = ".INIT1(16'h6996)"
    before, after = netlist.rsplit(table, 1)
    with pytest.raises(SimulationError, match="netlist differs"):
        run(folder, f"{before}.INIT1(16'h6997){after}")
