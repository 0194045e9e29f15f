"""iCE40: what is passed to the tools, the PLL, and a small network down to its bitstream."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnedge import tools
from bnnedge.boards import find_board
from bnnedge.deployment import package
from bnnedge.errors import ConfigError, SynthesisError, ToolMissingError
from bnnedge.families.ice40 import Ice40
from bnnedge.families.placed import FpgaBoard, Pin, Pull
from bnnedge.synthesis import SynthesisConfig, synthesise
from tests.synthesis.projects import emit_mlp

BOARD = find_board("ice40-hx8k")
assert isinstance(BOARD, FpgaBoard)


@pytest.mark.parametrize(
    ("input_mhz", "wanted_mhz", "setting", "reached_mhz"),
    [  # DIVR, DIVF, DIVQ, FILTER_RANGE as IceStorm's icepll gives them
        (12, 60, (0, 79, 4, 1), 60),
        (12, 16, (0, 84, 6, 1), 15.9375),
        (12, 275, (0, 45, 1, 1), 276),
        (12, 133, (0, 87, 3, 1), 132),
        (100, 50, (0, 7, 4, 5), 50),
        (48, 90, (0, 14, 3, 4), 90),
        (25, 60, (1, 76, 4, 1), 60.15625),
    ],
)
def test_pll(
    input_mhz: float, wanted_mhz: float, setting: tuple[int, ...], reached_mhz: float
) -> None:
    pll = Ice40().choose_pll(input_mhz=input_mhz, wanted_mhz=wanted_mhz)
    assert (pll.divr, pll.divf, pll.divq, pll.filter_range) == setting
    assert pll.output_mhz == reached_mhz


@settings(deadline=None)
@given(st.floats(10, 133), st.floats(16, 275))
def test_every_pll_keeps_its_limits(input_mhz: float, wanted_mhz: float) -> None:
    pll = Ice40().choose_pll(input_mhz=input_mhz, wanted_mhz=wanted_mhz)
    detector_mhz = input_mhz / (pll.divr + 1)
    assert 10 <= detector_mhz <= 133
    assert 533 <= detector_mhz * (pll.divf + 1) <= 1066
    assert abs(pll.output_mhz / wanted_mhz - 1) < 0.15


@pytest.mark.parametrize(("input_mhz", "wanted_mhz"), [(12, 15), (12, 276), (8, 60)])
def test_clock_out_of_range_is_refused(input_mhz: float, wanted_mhz: float) -> None:
    with pytest.raises(SynthesisError, match=r"clock: wanted (16 to 275 MHz|an oscillator of 10)"):
        Ice40().choose_pll(input_mhz=input_mhz, wanted_mhz=wanted_mhz)


def test_what_the_tools_are_given() -> None:
    assert isinstance(BOARD, FpgaBoard)
    family = BOARD.family
    assert " ".join(family.place_arguments(BOARD, seed=7)) == (
        "--hx8k --package ct256 --json netlist.json --pcf pins.pcf --seed 7 --asc routed.config"
        " --report nextpnr.json --timing-allow-fail"
    )
    assert family.pack_arguments("a.bin") == ["routed.config", "a.bin"]
    text = family.constraints_text(BOARD)
    assert text.startswith("set_io clk_in J3\nset_io -pullup yes rx B10\nset_io tx B12\n")
    assert text.endswith("set_io led[7] C3\nset_frequency clk_in 12\n")


@pytest.mark.parametrize("pin", [Pin(site="B5", drive_ma=4), Pin(site="B5", pull=Pull.DOWN)])
def test_what_its_pins_have_not_is_refused(pin: Pin) -> None:
    assert isinstance(BOARD, FpgaBoard)
    with pytest.raises(ConfigError, match="led: the FPGA has neither pull-downs nor drive_ma"):
        dataclasses.replace(BOARD, pins={**BOARD.pins, "led": (pin,)})


def test_missing_tool_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.shutil, "which", lambda *_, **__: None)
    with pytest.raises(ToolMissingError, match=r"pip install 'bnnedge\[ice40\]'"):
        tools.find("icepack")


@pytest.mark.slow
def test_small_network_goes_to_a_bitstream_and_a_package(tmp_path: Path) -> None:
    rtl = emit_mlp(tmp_path)
    facts = synthesise(rtl, SynthesisConfig(board="ice40-hx8k"), tmp_path / "synth").facts
    assert facts.gate_level.images == 10
    assert facts.timing.reached_mhz > facts.timing.requested_mhz == 60
    assert 0 < facts.resources["lc"].used < facts.resources["lc"].available == 7680
    assert sum(cells["bram"] for cells in facts.cells_by_instance.values()) == (
        facts.resources["bram"].used
    )
    assert (tmp_path / "synth" / "random.bin").read_bytes()[:2] == b"\xff\x00"
    packed = package(rtl, tmp_path / "synth", tmp_path / "package")
    assert packed.facts.bitstream == "random.bin"
