"""`bnnedge synth` with a `vivado` on PATH: what it says, and what it leaves behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnedge import tools
from bnnedge.boards import find_board
from bnnedge.config import structure
from bnnedge.deployment import package
from bnnedge.design import Design
from bnnedge.errors import BnnEdgeError, SynthesisError, ToolFailedError
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.files import load_json
from bnnedge.hardware import RtlConfig, emit
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.facts import SynthesisFacts
from bnnedge.synthesis.flow import synthesise
from bnnedge.synthesis.vivado import (
    FATAL_MESSAGES,
    read_timing,
    read_utilization,
    run_vivado,
    write_project,
)
from tests.networks import random_mlp
from tests.processes import listen_to_ctrl_c

pytest.importorskip("tkinter", reason="needs Python with Tcl (apt install python3-tk)")
from tests.synthesis import fake_vivado

CONFIG = SynthesisConfig(board="pynq-z2")


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rtl")
    (folder / "dataflow").mkdir()
    random_mlp((32, 8, 4)).save(folder / "dataflow")
    return emit(folder / "dataflow", RtlConfig(target_fps=1e6), folder / "rtl").folder


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts the folder `bin` first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    tools.version.cache_clear()
    yield
    tools.version.cache_clear()


@pytest.fixture
def project(rtl: Path, tmp_path: Path) -> Path:
    board = find_board(CONFIG.board)
    assert isinstance(board, ZynqBoard)
    folder = tmp_path / "vivado"
    write_project(Design.load(rtl), board, rtl, clock_hz=100_000_000, folder=folder)
    return folder


def refusal(project: Path, mode: str, *, timeout_s: float = 60) -> BnnEdgeError:
    """What a run raises."""
    fake_vivado.install(project.parent / "bin", mode)
    with pytest.raises(BnnEdgeError) as caught:
        run_vivado(
            project,
            clock_mhz=100.0,
            log=project.parent / "vivado.log",
            timeout_s=timeout_s,
            progress=print,
        )
    return caught.value


def test_vivado_is_run_where_it_is_and_its_figures_count(rtl: Path, tmp_path: Path) -> None:
    """Though it warns, as it does of designs that work: told, recorded, the bitstream kept."""
    fake_vivado.install(tmp_path / "bin", "harmless")
    off = SynthesisConfig(board="pynq-z2", vivado=False)
    assert synthesise(rtl, off, tmp_path / "synth").facts.estimate is True
    steps: list[str] = []
    watch = lambda step, _=None: steps.append(step)  # noqa: E731
    artifact = synthesise(rtl, CONFIG, tmp_path / "synth", progress=watch)
    warnings = [str(message).partition("\n")[0] for message in fake_vivado.HARMLESS]
    assert steps == [
        *("yosys", "vivado", "vivado: Vivado 2022.2, xc7z020clg400-1", "vivado: package IP"),
        *("vivado: memory files: 3", "vivado: block design"),
        "vivado: clock: wanted 100.000000 MHz, timed for 100.000000 MHz",
        f"vivado: critical warnings after validation: {len(warnings)}",
        *("vivado: synthesis", "vivado: memory files read: 3"),
        *("vivado: implementation", "vivado: reports"),
        "vivado: done: output/random.bit and output/random.hwh",
        *(f"vivado: {warning}" for warning in warnings),
    ]
    assert artifact.facts.critical_warnings == tuple(warnings)
    facts, folder = artifact.facts, artifact.folder
    assert facts.estimate is False
    assert (folder / facts.bitstream).is_file()
    assert (folder / facts.bitstream).with_suffix(".hwh").is_file()
    used = {name: use.used for name, use in facts.resources.items()}
    assert used == {"lut": 5358, "ff": 7001, "carry4": 231, "bram36": 3.5, "dsp": 0}
    assert facts.resources["lut"].percent == 10.1
    assert 0 < facts.resources["lut"].estimated < 1000
    assert facts.timing.requested_mhz == 100
    assert facts.timing.reached_mhz == 104.3
    assert structure(load_json(folder / "resources.json"), SynthesisFacts, source="") == facts
    assert artifact.tools["vivado"] == "Vivado v2022.2 (64-bit)"
    assert (folder / "logs" / "vivado.log").is_file()
    left = {path.name for path in (folder / "vivado").iterdir()}
    assert left == {
        *("build.tcl", "steps.tcl", "package_ip.tcl", "block_design.tcl", "ps.tcl"),
        *("settings.tcl", "run.sh", "src", "output"),
    }
    packed = package(rtl, folder, tmp_path / "package").folder
    assert {path.name for path in (packed / "bitfile").iterdir()} == {"random.bit", "random.hwh"}


def test_run_sh_runs_the_project(project: Path) -> None:
    fake_vivado.install(project.parent / "bin", "good")
    subprocess.run(["sh", project / "run.sh"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    assert (project / "output" / "random.bit").is_file()


def test_run_sh_checks_or_runs_and_nothing_else(project: Path) -> None:
    fake_vivado.install(project.parent / "bin", "good")
    command = ["sh", project / "run.sh"]
    done = subprocess.run([*command, "--check"], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("bnnedge: checked: nothing stands in the way of synthesis\n")
    assert not (project / "output").exists()
    for arguments in (["--chek"], ["--check", "--check"], ["x", "--check"]):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (2, "usage: run.sh [--check]\n")


def test_first_error_of_the_run_that_failed_is_told(project: Path) -> None:
    error = refusal(project, "error")
    assert isinstance(error, ToolFailedError)
    assert error.message == "Vivado: ERROR: [Synth 8-439] module 'xnor_mvu' not found (and 2 more)"
    assert error.remedy == f"see {project.parent / 'vivado.log'}"


@pytest.mark.parametrize("message", fake_vivado.FATAL)
def test_warning_that_makes_the_result_wrong_is_an_error(message: str, project: Path) -> None:
    error = refusal(project, message)
    assert isinstance(error, ToolFailedError)
    assert error.message == (
        f"Vivado: {FATAL_MESSAGES[message]}: CRITICAL WARNING: [{message}]"
        f" {fake_vivado.FATAL[message]}"
    )
    assert error.remedy == f"see {project.parent / 'vivado.log'}"


def test_a_kind_of_critical_warning_is_told_once(project: Path) -> None:
    fake_vivado.install(project.parent / "bin", "good")
    log = project / "project" / "project.runs" / "impl_1" / "runme.log"

    def place_log(step: str) -> None:
        if step == "reports":
            line = "CRITICAL WARNING: [Netlist 29-160] Cannot set property 'iostandard'"
            log.write_text("".join(f"{line} {number}\n" for number in range(101)))

    result = run_vivado(
        project,
        clock_mhz=100.0,
        log=project.parent / "vivado.log",
        timeout_s=60,
        progress=place_log,
    )
    (warning,) = result.critical_warnings
    assert warning.endswith("'iostandard' 0 (and 100 more)")


def test_missing_report_is_an_error(project: Path) -> None:
    assert refusal(project, "silent").message == "Vivado left no timing.rpt"


def test_vivado_that_hangs_is_stopped(project: Path) -> None:
    assert refusal(project, "slow", timeout_s=1).message == "vivado was stopped after 1 s"


def test_missed_timing_says_by_how_much_and_publishes_nothing(rtl: Path, tmp_path: Path) -> None:
    fake_vivado.install(tmp_path / "bin", "timing")
    with pytest.raises(SynthesisError) as caught:
        synthesise(rtl, CONFIG, tmp_path / "synth")
    assert str(caught.value) == (
        "timing is not met at 100.000000 MHz: WNS is -0.412 ns — a lower clock_mhz, or fold more"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"bin"}


@pytest.mark.parametrize("said", ["Vivado v2019.1 (64-bit)", "vivado: no license", ""])
def test_old_version_is_refused_before_anything_runs(said: str, rtl: Path, tmp_path: Path) -> None:
    fake_vivado.install(tmp_path / "bin", "good", said)

    def refuse(step: str) -> None:
        raise AssertionError(step)

    with pytest.raises(SynthesisError) as caught:
        synthesise(rtl, CONFIG, tmp_path / "synth", progress=refuse)
    assert str(caught.value) == (
        f"wanted Vivado 2020.2 or later, got {said!r}"
        " — put a newer one on PATH, or give vivado=False"
    )


PROGRAM = """\
import sys
from pathlib import Path
from bnnedge.synthesis import SynthesisConfig, synthesise
rtl, out = map(Path, sys.argv[1:])
def tell(what, share=None):
    print(what, flush=True)
synthesise(rtl, SynthesisConfig(board="pynq-z2"), out, progress=tell)
"""


def test_interrupt_stops_vivado_and_leaves_nothing(rtl: Path, tmp_path: Path) -> None:
    fake_vivado.install(tmp_path / "bin", "slow")
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, rtl, tmp_path / "synth"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )
    assert child.stdout is not None
    while child.stdout.readline() != "vivado: package IP\n":
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == -signal.SIGINT
    assert {path.name for path in tmp_path.iterdir()} == {"bin"}


def test_ultrascale_boards_report_is_read() -> None:
    used = read_utilization(fake_vivado.ULTRASCALE_UTILIZATION)
    assert used == {"lut": 6011, "ff": 8003, "carry8": 120, "bram36": 4, "dsp": 1}


def test_reports_without_figures_are_errors() -> None:
    with pytest.raises(SynthesisError, match="has no row 'Slice LUTs'"):
        read_utilization("| Block RAM Tile | 3 |")
    with pytest.raises(SynthesisError, match="no worst negative slack"):
        read_timing("no paths", clock_mhz=100)
    late = fake_vivado.TIMING.replace(" 0.412", "-1.000")
    assert read_timing(late.replace("10.000 ", "5.000 "), clock_mhz=200).reached_mhz == 166.67
    faster = read_timing(fake_vivado.TIMING.replace("10.000 ", "6.875 "), clock_mhz=142.857)
    assert (faster.requested_mhz, faster.reached_mhz) == (142.857, 154.73)
    without = late.partition("| Clock Summary")[0]
    assert read_timing(without, clock_mhz=200).reached_mhz == 166.67
