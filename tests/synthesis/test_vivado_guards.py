"""What Vivado only warns of stops a project in minutes; the model knows it from public facts."""

import re
from pathlib import Path

import pytest

from bnnedge.design import Design
from bnnedge.links.axi import axi_parameters
from bnnedge.links.base import SV_FOLDER
from tests.synthesis.projects import change, emit_mlp, project, zynq

pytest.importorskip("tkinter", reason="needs Python with Tcl (apt install python3-tk)")
from tests.synthesis.vivado_design import CRITICAL, Message
from tests.synthesis.vivado_ips import FACTS, VivadoError
from tests.synthesis.vivado_model import VivadoModel

CREATED = "proc_sys_reset:5.0 reset_0\n"
POLARITY = "set_property CONFIG.C_EXT_RESET_HIGH 0 [get_bd_cells reset_0]\n"


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return emit_mlp(tmp_path_factory.mktemp("rtl"))


@pytest.fixture
def folder(rtl: Path, tmp_path: Path) -> Path:
    return project(rtl, zynq("pynq-z2"), tmp_path / "vivado")


def set_by_a_loop(folder: Path, rtl: Path) -> None:
    """Set the parameters of `bnnedge_axi` in the block design, two of which are expressions."""
    (folder / "src" / "bnnedge_axi.v").write_text((SV_FOLDER / "bnnedge_axi.v").read_text())
    lines = "".join(
        f"set_property CONFIG.{name} {value} [get_bd_cells bnnedge_0]\n"
        for name, value in axi_parameters(Design.load(rtl)).items()
    )
    created = "bnnedge_axi:1.0 bnnedge_0\n"
    change(folder, "block_design.tcl", created, created + lines)


def without_guards(folder: Path) -> None:
    """Vivado as it is: what it only warns of does not stop it."""
    guards = ["make_fatal", "stop_if_fatal", "stop_if_logged", "same"]
    lines = "".join(f"proc {name} args {{return 1}}\n" for name in guards)
    with (folder / "steps.tcl").open("a") as steps:
        steps.write(lines)


def run(folder: Path, **options: object) -> VivadoModel:
    model = VivadoModel(**options)  # type: ignore[arg-type]
    model.run(folder / "build.tcl")
    return model


def test_polarity_of_a_reset_is_propagated_and_read_only(folder: Path) -> None:
    change(folder, "block_design.tcl", CREATED, CREATED + POLARITY)
    text = "Cannot set the parameter C_EXT_RESET_HIGH on /reset_0. It is read-only."
    with pytest.raises(VivadoError, match=re.escape(f"ERROR: [BD 41-737] {text}")):
        run(folder)
    without_guards(folder)
    assert run(folder).messages == [Message(severity=CRITICAL, id="BD 41-737", text=text)]


def test_parameter_with_an_expression_for_a_default_is_none_of_the_ip(
    folder: Path,
    rtl: Path,
) -> None:
    set_by_a_loop(folder, rtl)
    with pytest.raises(VivadoError, match=r"41-1276\] Cannot set the parameter CORE_IN_WIDTH on"):
        run(folder)
    without_guards(folder)
    model = run(folder)
    assert [(message.id, message.text.split()[4]) for message in model.messages] == [
        ("BD 41-1276", "CORE_IN_WIDTH"),
        ("BD 41-1276", "CORE_OUT_WIDTH"),
    ]


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ("PCW_NO_SUCH_PORT 1", "ps: wanted PCW_NO_SUCH_PORT 1, got nothing"),
        ("PCW_S_AXI_HP0_FREQMHZ 100", "ps: wanted PCW_S_AXI_HP0_FREQMHZ 100, got 10"),
    ],
)
def test_what_is_set_is_read_back(properties: str, message: str, folder: Path) -> None:
    change(folder, "ps.tcl", "PCW_USE_S_AXI_HP0 1\n", f"PCW_USE_S_AXI_HP0 1\n{properties}\n")
    change(folder, "steps.tcl", "set_msg_config -id $id -new_severity ERROR", "")
    with pytest.raises(VivadoError, match=message):
        run(folder)


def test_fatal_warning_that_did_not_stop_vivado_is_found_after_validation(folder: Path) -> None:
    change(folder, "block_design.tcl", CREATED, CREATED + POLARITY)
    change(folder, "steps.tcl", "set_msg_config -id $id -new_severity ERROR", "")
    with pytest.raises(VivadoError, match=r"after validation: \[BD 41-737\], see above"):
        run(folder)


def test_memory_file_that_synthesis_does_not_find_stops_it(folder: Path) -> None:
    change(folder, "package_ip.tcl", '"\\"$memories/"', '"\\"mem/"')
    with pytest.raises(VivadoError, match="synth_1 stopped: synth_design ERROR"):
        run(folder)
    change(folder, "steps.tcl", "set_msg_config -id $id -new_severity ERROR", "")
    with pytest.raises(VivadoError, match=r"\[Synth 8-4445\] could not open \$readmem data file"):
        run(folder)
    assert not (folder / "project" / "project.runs" / "impl_1").exists()


def test_memory_file_that_no_source_names_is_an_error(folder: Path) -> None:
    (folder / "src" / "mem" / "other.mem").write_text("0\n")
    with pytest.raises(VivadoError, match=r"wanted \d memory files, the sources name \d"):
        run(folder)


def test_files_with_a_common_beginning_are_counted(folder: Path) -> None:
    memory = next((folder / "src" / "mem").glob("*_weights.mem"))
    for lane in range(3):
        memory.with_name(f"scores_{lane:03}.mem").write_text("0\n")
    with (folder / "src" / "bnnedge_core.sv").open("a") as core:
        core.write('// .TablePrefix("mem/scores_")\n')
    files = len(list(memory.parent.iterdir()))
    assert f"bnnedge: memory files read: {files}" in run(folder).printed


def test_path_with_a_quote_is_refused(rtl: Path, tmp_path: Path) -> None:
    folder = project(rtl, zynq("pynq-z2"), tmp_path / 'a "b"')
    with pytest.raises(VivadoError, match="no quote and no backslash may be in this folder's path"):
        run(folder)


@pytest.mark.parametrize(
    ("wanted_mhz", "timed_mhz"), [(100, 100), (142.857143, 145.454545), (250, 266.666667)]
)
def test_design_is_timed_for_no_slower_clock_than_it_runs_at(
    wanted_mhz: float, timed_mhz: float, folder: Path
) -> None:
    change(folder, "settings.tcl", "clock_mhz 100.000000", f"clock_mhz {wanted_mhz}")
    model = run(folder)
    told = f"bnnedge: clock: wanted {wanted_mhz:.6f} MHz, timed for {timed_mhz:.6f} MHz"
    assert told in model.printed
    assert model.clock_hz("bnnedge_0/aclk") == pytest.approx(timed_mhz * 1e6, abs=1)


def test_clock_that_cannot_be_had_is_an_error(folder: Path) -> None:
    change(folder, "settings.tcl", "clock_mhz 100.000000", "clock_mhz 249.0")
    change(folder, "steps.tcl", "$timed >= $wanted_mhz * (1 - 1e-4)", "0")
    with pytest.raises(VivadoError, match=r"no clock between 249.0 and 250 MHz"):
        run(folder)


def test_clock_that_does_not_arrive_is_an_error(folder: Path) -> None:
    arrives = "check_clock bnnedge_0/aclk "
    change(folder, "block_design.tcl", f"{arrives}$timed", f"{arrives}9$timed")
    with pytest.raises(VivadoError, match="bnnedge_0/aclk: wanted a clock of 9100.000000 MHz, got"):
        run(folder)


def test_dma_that_does_not_reach_all_memory_is_an_error(rtl: Path, tmp_path: Path) -> None:
    """A Zybo Z7 whose memory is not named gets what Vivado assumes, half of what it has."""
    folder = project(rtl, zynq("zybo-z7-20"), tmp_path / "vivado")
    text = (folder / "settings.tcl").read_text()
    (folder / "settings.tcl").write_text(re.sub(r"    PCW_UIPARAM_DDR_PARTNO .*\n", "", text))
    with pytest.raises(
        VivadoError, match="wanted 1073741824 bytes of memory from address 0, got 5"
    ):
        run(folder)


def test_open_interrupt_is_warned_of_and_none_is_left_open(rtl: Path, tmp_path: Path) -> None:
    folder = project(rtl, zynq("kv260"), tmp_path / "vivado")
    assert not run(folder).messages
    change(folder, "ps.tcl", "    PSU__USE__IRQ0 0\n", "")
    (message,) = run(folder).messages
    assert message.id == "BD 41-759" and message.text.endswith("/ps/pl_ps_irq0")


def test_check_stops_before_synthesis(folder: Path) -> None:
    model = run(folder, arguments=["--check"])
    assert model.printed[-1] == "bnnedge: checked: nothing stands in the way of synthesis"
    assert "bnnedge: critical warnings after generation: 0" in model.printed
    assert not (folder / "project" / "project.runs").exists()
    assert not (folder / "output").exists()


def test_every_fact_has_a_public_source() -> None:
    sources = FACTS["sources"]
    for ip in FACTS["ips"].values():
        assert ip["sources"] and set(ip["sources"]) <= set(sources)
    for name in sources.keys() - {"guides", "messages"}:
        assert re.match(r"github\.com/[\w.-]+/[\w.-]+ [0-9a-f]{7}, ", sources[name]), name
