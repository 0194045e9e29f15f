"""A small network all the way: bitstream, gate-level check, and what stops a build."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bnnedge import tools
from bnnedge.artifacts import Artifact
from bnnedge.boards import find_board
from bnnedge.cli import main
from bnnedge.config import structure
from bnnedge.dataflow import Dataflow, OutputTable, ThresholdEncoding, XnorMvu
from bnnedge.design import Design
from bnnedge.errors import MismatchError, SynthesisError, ToolMissingError
from bnnedge.families.placed import FpgaBoard
from bnnedge.files import load_json
from bnnedge.hardware import emit
from bnnedge.hardware.config import RtlConfig
from bnnedge.links import UartDevice, load_device
from bnnedge.readback.trellis import Configuration
from bnnedge.synthesis.config import SynthesisConfig, VerifyConfig
from bnnedge.synthesis.facts import SYNTH, SynthesisFacts
from bnnedge.synthesis.flow import synthesise
from bnnedge.synthesis.gatelevel import check_netlist
from bnnedge.synthesis.plan import plan_device, require_effect
from bnnedge.synthesis.verify import verify_bits
from tests.readback.mutations import Made, make

Built = Artifact[SynthesisFacts]
READ_BACK = ["read back", "simulation of the bitstream"]
CONFIG = SynthesisConfig(board="ulx3s-25f", clock_mhz=50, baud=2_500_000)
BOARD = find_board("ulx3s-25f")
assert isinstance(BOARD, FpgaBoard)
ZYNQ_CONFIG = SynthesisConfig(board="pynq-z1", clock_mhz=120.0, vivado=False)


def network(seed: int) -> Dataflow:
    random = np.random.default_rng(seed)
    hidden = XnorMvu(
        name="hidden",
        weights=random.integers(0, 2, (128, 24), np.uint8),  # in a block RAM
        thresholds=random.integers(9, 15, 128).astype(np.int32),
        invert=random.integers(0, 2, 128).astype(bool),
    )
    last = XnorMvu(
        name="last",
        weights=random.integers(0, 2, (4, 128), np.uint8),
        thresholds=None,
        invert=None,
    )
    return Dataflow(
        name="tiny",
        input=ThresholdEncoding(
            name="bits",
            input_shape=(24,),
            output_shape=(24,),
            source=np.arange(24, dtype=np.int32),
            threshold=np.zeros(24, np.float32),
            invert=np.zeros(24, bool),
        ),
        nodes=(hidden, last),
        output=OutputTable(
            values=np.tile(np.arange(-128, 129, 2, dtype=np.float32), (4, 1)),
            classes=False,
            low=-128,
        ),
    )


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("design")
    (folder / "dataflow").mkdir()
    network(seed=3).save(folder / "dataflow")
    (folder / "folding.json").write_text(
        json.dumps({"hidden": {"PE": 4, "SIMD": 8}, "last": {"PE": 1, "SIMD": 8}})
    )
    config = RtlConfig(folding=folder / "folding.json")
    return emit(folder / "dataflow", config, folder / "rtl").folder


@pytest.fixture(scope="module")
def made(design: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    out = tmp_path_factory.mktemp("synth") / "synth"
    steps: list[str] = []
    made = make(design, CONFIG, out, progress=steps.append)
    assert steps == ["yosys", "nextpnr-ecp5", "ecppack", "gate-level check", *READ_BACK]
    return made


@pytest.fixture(scope="module")
def bitstream(made: Made) -> Built:
    return made.artifact


def test_bitstream_comes_with_what_a_host_and_a_report_need(
    bitstream: Built,
) -> None:
    folder, facts = bitstream.folder, bitstream.facts
    assert (folder / "tiny.bit").read_bytes()[:2] == b"\xff\x00"
    assert b"LFE5U-25F" in (folder / "tiny.bit").read_bytes()[:200]
    logs = {path.name for path in (folder / "logs").iterdir()}
    assert logs == {"yosys.log", "synth_ecp5.log", "nextpnr.log", "ecppack.log"}
    device = load_device(folder)
    assert isinstance(device, UartDevice)
    assert (device.clock_hz, device.clocks_per_bit) == (50_000_000, 20)
    assert facts.estimate is False
    assert facts.timing.reached_mhz > facts.timing.requested_mhz == 50
    assert 0 < facts.resources["comb"].used < facts.resources["comb"].available
    comb, bram = facts.resources["comb"], facts.resources["bram"]
    assert comb.predicted == pytest.approx(comb.used, rel=0.3)  # so small a design
    assert bram.predicted == bram.used
    instances = facts.cells_by_instance
    assert {"0_hidden", "1_last", "device"} <= set(instances)
    total = sum(cells["ff"] for cells in instances.values())
    assert total == facts.resources["ff"].used
    assert structure(load_json(folder / "resources.json"), SynthesisFacts, source="") == facts
    assert set(bitstream.tools) == {"yosys", "nextpnr-ecp5", "ecppack", "ecpunpack"}
    assert not any(path.name.startswith("work-") for path in folder.iterdir())


def test_each_clock_has_its_margins(bitstream: Built) -> None:
    clocks, timing = bitstream.facts.clocks, bitstream.facts.timing
    assert clocks is not None and timing is not None
    (clock,) = clocks
    assert (clock.wanted_mhz, clock.reached_mhz) == (50, timing.reached_mhz)
    assert clock.hold is not None
    assert clock.hold.margin_ps > 0
    assert clock.hold.checked >= bitstream.facts.resources["ff"].used
    assert clock.line in SYNTH.lines(bitstream.facts)
    assert f"MHz, least hold margin {clock.hold.margin_ps:g} ps from" in clock.line


def test_unchanged_design_is_not_built_again(bitstream: Built, design: Path) -> None:
    def refuse(step: str) -> None:
        raise AssertionError(step)

    assert synthesise(design, CONFIG, bitstream.folder, progress=refuse) == bitstream


def test_netlist_equals_the_dataflow(bitstream: Built, design: Path) -> None:
    assert bitstream.facts.gate_level.images == 10
    assert bitstream.facts.gate_level.compared.endswith("ulx3s-25f at its serial pin")
    assert bitstream.facts.bits is not None
    assert bitstream.facts.bits.simulated.images == 32
    assert bitstream.facts.bits.compared["flip-flops"] == bitstream.facts.resources["ff"].used
    assert check_netlist(bitstream.folder, design, BOARD, images=50, seed=1)["images"] == 50


def test_a_bitstream_is_verified_without_its_placement(
    bitstream: Built, design: Path, tmp_path: Path
) -> None:
    file = bitstream.folder / "tiny.bit"
    found = verify_bits(file, design, VerifyConfig())
    assert found.simulated.images == 32
    assert found.compared["cells TRELLIS_FF"] == bitstream.facts.resources["ff"].used
    (tmp_path / "tiny.bit").write_bytes(file.read_bytes())
    other = VerifyConfig(board="ulx3s-25f", clock_mhz=50, baud=2_500_000, window=8)
    with pytest.raises(MismatchError, match="differs from the netlist"):
        verify_bits(tmp_path / "tiny.bit", design, other)


@pytest.mark.parametrize(
    ("name", "value", "other", "message"),
    [
        (r"SLICE.\.REG.\.REGSET", "RESET", "SET", "REGSET: wanted RESET, got SET"),
        (r"SLICE.\.CEMUX", "INV", "CE", "CE: wanted not .*, got"),
        (r"SLICE.\.[ABCD].MUX", "1", "", "is read, and neither routed nor constant"),
        (r"CIB\.JCE.MUX", "1", "", "is read, and neither routed nor constant"),
        (r"PIOA\.BASE_TYPE", "INPUT_LVTTL33", "INPUT_LVCMOS25", "is no LVCMOS33 input or output"),
        (r"PIO.\.PULLMODE", "UP", "DOWN", "with pull UP"),
        (r"EBR.\.RSTAMUX", "INV", "RSTA", "RSTA: wanted constant 0, got constant 1"),
        (r"EBR.\.PDPW16KD\.DATA_WIDTH_R", "36", "18", "DATA_WIDTH_B: wanted 36, got 18"),
        (r"CLKOP_DIV", "0001011", "0001010", "CLKOP_DIV: wanted 12, got 11"),
        (r"ICP_CURRENT", "01100", "01101", "ICP_CURRENT: wanted 12, got 13"),
    ],
)
def test_another_setting_is_seen(
    made: Made, name: str, value: str, other: str, message: str
) -> None:
    fault = made.fault(with_setting(made, name, value, other))
    assert fault is not None and re.search(message, fault)


def with_setting(made: Made, wanted: str, value: str, other: str) -> Configuration:
    """The first setting of this name and value in the design's tiles changed; "": not said."""
    for place, tile in made.configuration.tiles.items():
        for what, name, found in tile.entries:
            if tile != made.base.tiles.get(place) and found == value and re.fullmatch(wanted, name):
                return made.with_setting(place, what, name, other)
    raise AssertionError(wanted)


def test_another_bit_of_a_weight_is_seen(made: Made) -> None:
    rom = next(
        cell.parameters["WID"]
        for cell in made.read(made.configuration).netlist.cells.values()
        if cell.parameters.get("DATA_WIDTH_B") == 36
    )
    assert isinstance(rom, int)
    fault = made.fault(made.with_memory_bit(rom, 5, 0))
    assert fault is not None
    assert re.search(r"0_hidden.*rom\.0\.0 at X\d+/Y\d+/EBR\d word 2: wanted \w+, got", fault)


def test_another_function_of_a_table_is_seen(made: Made) -> None:
    cells = made.read(made.configuration).netlist.cells
    site = next(
        site
        for site, cell in sorted(cells.items())
        if cell.kind == "LUT4"
        and len({*cell.inputs.values()}) == 4
        and True not in cell.inputs.values()
    )
    at = re.fullmatch(r"X(\d+)/Y(\d+)/(.*)", site)
    assert at is not None
    place, name = f"R{at[2]}C{at[1]}:PLC2", at[3]
    init = made.configuration.tiles[place].words[f"{name}.INIT"]
    changed = made.with_setting(place, "word", f"{name}.INIT", init[:-1] + str(1 - int(init[-1])))
    assert f"{site} computes another Z" in (made.fault(changed) or "")


def test_another_way_of_a_wire_is_seen(made: Made) -> None:
    place, sink, source = next(
        (place, sink, source)
        for place, tile in sorted(made.configuration.tiles.items())
        for sink, source in tile.arcs.items()
        if re.fullmatch(r"JF\d|[ABCD]\d|CE\d|LSR\d", sink) and made.device.kinds[place] == "PLC2"
    )
    for other in sorted({*made.device.kind(place).arcs[sink], ""} - {source})[:4]:
        assert made.fault(made.with_setting(place, "arc", sink, other)) is not None, other


def test_netlist_of_other_weights_is_a_mismatch(
    bitstream: Built, design: Path, tmp_path: Path
) -> None:
    shutil.copytree(design, tmp_path / "rtl")
    network(seed=4).save(tmp_path / "rtl" / "dataflow")
    message = r"tiny: placed netlist differs .* image \d+, class \d+: wanted"
    with pytest.raises(MismatchError, match=message):
        check_netlist(bitstream.folder, tmp_path / "rtl", BOARD)


def test_netlist_of_another_design_is_refused(
    bitstream: Built, design: Path, tmp_path: Path
) -> None:
    shutil.copytree(design, tmp_path / "rtl")
    text = (design / "design.json").read_text()
    word = Design.load(design).id_word
    (tmp_path / "rtl" / "design.json").write_text(text.replace(str(word), "1"))
    with pytest.raises(SynthesisError, match="was not made from"):
        check_netlist(bitstream.folder, tmp_path / "rtl", BOARD)


@pytest.fixture(scope="module")
def zynq_project(design: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return synthesise(design, ZYNQ_CONFIG, tmp_path_factory.mktemp("zynq") / "synth")


def test_zynq_board_gets_an_estimate_and_a_project(zynq_project: Built, design: Path) -> None:
    facts, folder = zynq_project.facts, zynq_project.folder
    assert facts.estimate is True and facts.fits is True
    assert 0 < facts.resources["lut"].used < 1000
    assert facts.resources["lut"].available == 53200
    assert structure(load_json(folder / "resources.json"), SynthesisFacts, source="") == facts
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("artifact.json", "resources.json", "synth.ys", "logs"),
        *("device.json", "vivado"),
    }
    device = {"board": "pynq-z1", "clock_hz": 125_000_000, "id_word": Design.load(design).id_word}
    assert facts.device == device
    assert json.loads((folder / "device.json").read_text()) == {**device, "interface": "axi"}
    assert {path.name for path in (folder / "vivado").iterdir()} == {
        *("build.tcl", "steps.tcl", "package_ip.tcl", "block_design.tcl", "ps.tcl"),
        *("settings.tcl", "run.sh", "src"),
    }


def test_bitstream_made_elsewhere_stays(zynq_project: Built, design: Path) -> None:
    bitstream = zynq_project.folder / "vivado" / "output" / "tiny.bit"
    bitstream.parent.mkdir()
    bitstream.write_text("made by run.sh")
    synthesise(design, ZYNQ_CONFIG, zynq_project.folder)
    assert bitstream.read_text() == "made by run.sh"


def test_command_says_what_to_run_where_vivado_is(zynq_project: Built, design: Path) -> None:
    out = str(zynq_project.folder)
    arguments = ["--board", "pynq-z1", "--clock-mhz", "120", "--no-vivado", "-o", out]
    result = CliRunner().invoke(main, ["synth", str(design), *arguments])
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == (
        f"Vivado was not run here. Where it is: sh {out}/vivado/run.sh; it leaves .bit and .hwh in"
        f" {out}/vivado/output, where `bnnedge package` takes them from"
    )


def test_unknown_board_writes_nothing(design: Path, tmp_path: Path) -> None:
    with pytest.raises(SynthesisError, match="board 'nexus' is unknown — choose one of"):
        synthesise(design, SynthesisConfig(board="nexus"), tmp_path / "synth")
    assert not any(tmp_path.iterdir())


def test_an_image_longer_than_a_frame_is_refused(design: Path) -> None:
    large = dataclasses.replace(Design.load(design), input_elements=65536 * 8)
    with pytest.raises(SynthesisError, match="an image is 65536 bytes, the serial line's frames"):
        plan_device(large, BOARD, CONFIG)


def test_baud_rate_of_no_line_is_refused(design: Path, tmp_path: Path) -> None:
    config = SynthesisConfig(board="ulx3s-85f", clock_mhz=25, baud=5)
    with pytest.raises(SynthesisError, match="baud: wanted 300 or more, got 5"):
        synthesise(design, config, tmp_path / "out")


@pytest.mark.parametrize("window", [2, 16])
def test_a_link_says_what_it_buffers(design: Path, window: int) -> None:
    loaded = Design.load(design)
    serial = plan_device(loaded, BOARD, dataclasses.replace(CONFIG, window=window))
    beats = window * loaded.input_beats
    assert beats <= serial.buffer_words(loaded) < 2 * beats
    axi = plan_device(loaded, find_board("pynq-z1"), ZYNQ_CONFIG)
    assert axi.buffer_words(loaded) == 0


def test_baud_rate_without_a_serial_line_is_refused(design: Path, tmp_path: Path) -> None:
    config = SynthesisConfig(board="pynq-z2", baud=9600)
    with pytest.raises(SynthesisError, match=r"baud: pynq-z2 has no serial line, got 9600 — leave"):
        synthesise(design, config, tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("window", 8, "window: pynq-z1 has no serial line, got 8 — leave it out"),
        ("seed", 7, "seed: pynq-z1 is placed by Vivado, got 7 — leave it out"),
        ("gate_level_images", 50, "gate_level_images: pynq-z1 has no netlist that is placed here"),
    ],
)
def test_an_option_without_effect_is_refused(
    design: Path, tmp_path: Path, name: str, value: int, message: str
) -> None:
    config = dataclasses.replace(ZYNQ_CONFIG, **{name: value})
    with pytest.raises(SynthesisError, match=message):
        synthesise(design, config, tmp_path / "synth")
    assert not any(tmp_path.iterdir())


def test_what_asks_for_nothing_is_taken_of_every_board() -> None:
    require_effect(find_board("pynq-z1"), dataclasses.replace(ZYNQ_CONFIG, gate_level_images=0))
    require_effect(BOARD, dataclasses.replace(CONFIG, vivado=False, window=8, seed=7))


def test_baud_rate_that_does_not_divide_is_refused(design: Path, tmp_path: Path) -> None:
    config = SynthesisConfig(board="ulx3s-85f", clock_mhz=25, baud=2_900_000)
    with pytest.raises(SynthesisError, match="baud: wanted a divisor of 25000000 Hz"):
        synthesise(design, config, tmp_path / "synth")
    assert not any(tmp_path.iterdir())


def test_missing_tool_is_said_before_anything_runs(
    design: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.shutil, "which", lambda *_, **__: None)
    with pytest.raises(ToolMissingError, match="yosys is needed for synth"):
        synthesise(design, SynthesisConfig(board="ulx3s-85f"), tmp_path / "synth")


def test_interrupted_build_leaves_nothing(design: Path, tmp_path: Path) -> None:
    def interrupt(step: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise(
            design, SynthesisConfig(board="ulx3s-85f"), tmp_path / "synth", progress=interrupt
        )
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_missed_clock_is_a_failure_with_the_reached_one(design: Path, tmp_path: Path) -> None:
    config = SynthesisConfig(board="ulx3s-25f", clock_mhz=400)
    with pytest.raises(SynthesisError) as caught:
        synthesise(design, config, tmp_path / "synth")
    assert "wanted 400 MHz, the routed design reaches" in str(caught.value)
    assert "clock_mhz=" in str(caught.value)
    assert not any(tmp_path.iterdir())
