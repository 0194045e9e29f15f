"""What becomes of a bitstream that is not understood, differs, or has no reader."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from bnnedge.artifacts import Artifact
from bnnedge.boards import find_board
from bnnedge.design import Design
from bnnedge.errors import BnnEdgeError, MismatchError, SynthesisError
from bnnedge.findings import NotRun, ReportData
from bnnedge.hardware import RtlConfig, emit
from bnnedge.progress import silent
from bnnedge.synthesis import bits
from bnnedge.synthesis.config import SynthesisConfig, VerifyConfig
from bnnedge.synthesis.facts import SYNTH, BitsCheck, GateLevel
from bnnedge.synthesis.plan import Plan, plan_bitstream, require_effect
from bnnedge.synthesis.run import Run
from bnnedge.synthesis.verify import verify_bits
from tests.networks import random_mlp
from tests.synthesised import synthesis_facts


@pytest.fixture(scope="module")
def rtl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("design")
    (folder / "dataflow").mkdir()
    random_mlp((12, 8, 4)).save(folder / "dataflow")
    return emit(folder / "dataflow", RtlConfig(target_fps=1e6), folder / "rtl").folder


@pytest.fixture(scope="module")
def design(rtl: Path) -> Design:
    return Design.load(rtl)


def planned(design: Design, board: str) -> Plan:
    return plan_bitstream(design, find_board(board), SynthesisConfig(board=board))


def checked(
    plan: Plan, folder: Path, error: BnnEdgeError, wanted: bool, patch: pytest.MonkeyPatch
) -> Any:
    """What the check says where reading the bitstream ends with an error."""

    def read_back(*_: object) -> None:
        raise error

    patch.setattr(bits, "read_back", read_back)
    for name in ("work", "out"):
        (folder / name).mkdir()
    run = Run(folder / "work", folder / "out", silent)
    return bits.check_bits(plan, folder, run, wanted=wanted)


NOT_UNDERSTOOD = SynthesisError("bitstream: R1C2:PLC2: not understood: arc A B")
DIFFERS = MismatchError("bitstream differs from the netlist: X1/Y2/SLICEA.K0 computes another Z")


@pytest.mark.parametrize(
    ("error", "message"), [(NOT_UNDERSTOOD, "not understood: arc A B"), (DIFFERS, "another Z")]
)
def test_what_is_not_understood_or_differs_is_refused(
    error: BnnEdgeError,
    message: str,
    design: Design,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(type(error), match=f"{message} — .* read_back=False"):
        checked(planned(design, "ulx3s-85f"), tmp_path, error, True, monkeypatch)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("board", "wanted", "reason"),
    [
        ("ulx3s-85f", False, "it was left out"),
        (
            "ice40-hx8k",
            True,
            "there is a reader for bitstreams of ECP5, and none for those of iCE40",
        ),
    ],
)
def test_what_is_not_tried_is_said(
    board: str,
    wanted: bool,
    reason: str,
    design: Design,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = checked(planned(design, board), tmp_path, DIFFERS, wanted, monkeypatch)
    assert found == {"not_read_back": reason}


@pytest.mark.parametrize(
    ("board", "message"),
    [
        ("ice40-hx8k", "read_back: ice40-hx8k: .* none for those of iCE40 — leave it out"),
        ("pynq-z1", "read_back: pynq-z1 has no bitstream that is made here, got True — leave it"),
    ],
)
def test_reading_back_is_refused_where_it_cannot_be(board: str, message: str) -> None:
    config = SynthesisConfig(board=board, read_back=True)
    with pytest.raises(SynthesisError, match=message):
        require_effect(find_board(board), config)
    for harmless in (None, False):
        require_effect(find_board(board), dataclasses.replace(config, read_back=harmless))


FACTS = synthesis_facts()
CHECKED = BitsCheck(
    compared={"pins": 7, "flip-flops": 3},
    trusted=("ecpunpack",),
    simulated=GateLevel(compared="results", images=32, clocks=9, compile_s=1.0, run_s=1.0),
)


@pytest.mark.parametrize("reason", ["it was left out", "there is no reader"])
def test_people_and_report_are_told_where_the_chain_ends(reason: str, tmp_path: Path) -> None:
    facts = dataclasses.replace(FACTS, not_read_back=reason)
    ends = f"{reason}; the chain of equalities ends at the netlist"
    assert SYNTH.lines(facts)[-1] == f"bitstream not read back: {ends}"
    artifact = Artifact(
        folder=tmp_path, kind="synth", fingerprint="", files={}, tools={}, wall_s=1.0, facts=facts
    )
    report = SYNTH.section(ReportData(network="n", version="1"), artifact, ())
    assert NotRun(step="Bitstream read back", reason=ends) in report.not_run


def test_people_are_told_that_netlist_and_bits_are_equal() -> None:
    lines = SYNTH.lines(dataclasses.replace(FACTS, bits=CHECKED))
    assert lines[-2:] == ["netlist == bits: 10 values", "Dataflow == bits: 32 images"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A file that is no bitstream, in a folder with nothing else."""
    file = tmp_path / "file.bit"
    file.write_bytes(b"\xff\x00Part: LFE5U-85F-6CABGA381\x00")
    return file


BOARD = VerifyConfig(board="ulx3s-85f")


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("missing.bit", BOARD, "missing.bit: wanted a bitstream, there is no file of this name$"),
        (".", BOARD, "wanted a bitstream, there is no file of this name$"),
        ("file.bit", BOARD, "file.bit: wanted a whole bitstream of an ECP5, ecpunpack cannot read"),
        ("file.bit", VerifyConfig(), "no device.json beside it, .* — give board, and"),
        ("file.bit", VerifyConfig(baud=9600), "baud: without a board, device.json .* give board"),
        ("file.bit", VerifyConfig(board="ice40-hx8k"), "ice40-hx8k: there is a reader .* of ECP5"),
        ("file.bit", VerifyConfig(board="pynq-z1"), "pynq-z1: there is a reader .* of ECP5"),
    ],
)
def test_what_is_no_bitstream_is_refused(
    name: str, config: VerifyConfig, message: str, rtl: Path, elsewhere: Path
) -> None:
    with pytest.raises(SynthesisError, match=message):
        verify_bits(elsewhere.parent / name, rtl, config)


def test_a_file_that_is_too_large_for_a_bitstream_is_refused(rtl: Path, elsewhere: Path) -> None:
    with elsewhere.open("ab") as file:
        file.truncate(1 << 25)
    with pytest.raises(SynthesisError, match="an ECP5, it has 33,554,432 bytes"):
        verify_bits(elsewhere, rtl, BOARD)
