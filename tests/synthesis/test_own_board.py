"""A board of the user's own: a file by path, an object, an entry point; and what is refused."""

import dataclasses
import importlib.metadata
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bnnedge.boards import find_board
from bnnedge.cli import main
from bnnedge.design import Design
from bnnedge.errors import BnnEdgeError, ConfigError, SynthesisError
from bnnedge.families.placed import FpgaBoard
from bnnedge.recipe import Recipe
from bnnedge.stages import Stage
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.flow import synthesise
from bnnedge.synthesis.plan import plan_bitstream
from tests.synthesis.projects import emit_mlp

OWN = """\
family = "ecp5"
device = "LFE5U-25F"
package = "CABGA256"
speed_grade = 7
loader_board = "mine"
clock_input_mhz = 48.0
default_clock_mhz = 60.0

[links.uart]
baud = 2_000_000

[pins]
clk = { site = "A7" }
rx = { site = "B3", pull = "UP" }
tx = { site = "C4" }
led = [{ site = "E3" }]
low = [{ site = "F4" }, { site = "G2", drive_ma = 8 }]
"""


def own(folder: Path, old: str = "", new: str = "") -> Path:
    """A board's file, with a change."""
    assert old in OWN
    (folder / "my-board.toml").write_text(OWN.replace(old, new) if old else OWN)
    return folder / "my-board.toml"


def test_board_is_called_like_its_file(tmp_path: Path) -> None:
    board = find_board(str(own(tmp_path)))
    assert isinstance(board, FpgaBoard)
    assert (board.name, board.device, board.default_clock_mhz) == ("my-board", "LFE5U-25F", 60)
    assert {port: pin.site for port, pin in board.ports.items()} == {
        **{"clk_in": "A7", "rx": "B3", "tx": "C4", "led": "E3"},
        **{"low[0]": "F4", "low[1]": "G2"},
    }
    assert find_board(own(tmp_path, 'family = "ecp5"', 'name = "n"\nfamily = "ecp5"')).name == "n"


def test_top_module_is_written_from_the_roles(tmp_path: Path) -> None:
    board = find_board(own(tmp_path))
    assert isinstance(board, FpgaBoard)
    rtl = emit_mlp(tmp_path)
    plan = plan_bitstream(Design.load(rtl), board, SynthesisConfig(board=board))
    top = plan.texts["board_top.sv"]
    for line in (
        "  input  logic clk_in,",
        "  output logic tx,",
        "  output logic led,",
        "  output logic [1:0] low",
        "    .CLKI(clk_in),",
        "    .rx_i(rx),",
        "  assign led = {rst_n};",
        "  assign low = {2{1'b0}};",
    ):
        assert line in top.splitlines(), top
    assert 'LOCATE COMP "low[1]" SITE "G2";' in plan.texts["pins.lpf"]
    assert plan.device.clock_hz == 60_000_000


@pytest.mark.slow
def test_own_board_goes_to_a_bitstream_by_path(tmp_path: Path) -> None:
    """By the command; the netlist is compared with the Dataflow on the way."""
    rtl = emit_mlp(tmp_path)
    arguments = ["synth", str(rtl), "--board", str(own(tmp_path)), "-o", str(tmp_path / "synth")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "synth" / "resources.json").read_text())
    assert (facts["board"], facts["gate_level"]["images"]) == ("my-board", 10)
    assert b"LFE5U-25F" in (tmp_path / "synth" / "random.bit").read_bytes()[:200]
    assert 'SITE "A7"' in (tmp_path / "synth" / "pins.lpf").read_text()


def test_changed_file_is_another_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record of what was made holds the board itself, not only its file's name."""
    rtl = emit_mlp(tmp_path)
    seen = []
    monkeypatch.setattr(Stage, "publish", lambda *_, config, **__: seen.append(config["board"]))
    synthesise(rtl, SynthesisConfig(board=own(tmp_path)), tmp_path / "synth")
    synthesise(rtl, SynthesisConfig(board=own(tmp_path, '"E3"', '"E4"')), tmp_path / "synth")
    before, after = seen
    assert before != after and before["pins"]["clk"] == after["pins"]["clk"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "speed_grade = 7",
            "speed_grad = 7",
            r"unknown key speed_grad \(did you mean speed_grade\?",
        ),
        ('"ecp5"', '"ecp6"', "family: wanted one of ecp5, "),
        ('device = "LFE5U-25F"\n', "", "device: is missing"),
        ("LFE5U-25F", "LFE5U-12F", "device: wanted one of LFE5U-25F, "),
        ("speed_grade = 7", "speed_grade = 5", r"speed_grade: wanted one of \(6, 7, 8\), got 5"),
        ("tx = ", "txd = ", r"pins: unknown role 'txd' \(did you mean tx\?"),
        ('tx = { site = "C4" }\n', "", "pins.tx: is missing"),
        ('"C4" }', '"C4" }\nhigh = []', "pins.high: wanted pins, got 0"),
        ('{ site = "C4" }', '[{ site = "C4" }, { site = "C5" }]', "pins.tx: wanted one pin, got 2"),
        ('"C4"', '"B3"', "pins: wanted a site of its own for each, got B3 twice"),
        ('"C4"', r'"C4\";\nSYSCONFIG"', "site: wanted a pin of the package such as B2 or 35, got"),
        ('"UP"', '"UPP"', r"pull: wanted one of NONE, UP, DOWN, got 'UPP' \(did you mean UP\?"),
        ("drive_ma = 8", "drive_ma = 0", "drive_ma: wanted 1 to 24, got 0"),
        ('"G2",', '"G2", net = "low_1",', "pins.low: wanted a net at its first pin only"),
        ('"B3",', '"B3", net = "a);b",', "net: wanted a name such as ftdi_txd"),
        ('"B3",', '"B3", net = "always_ff",', "net: wanted a name such as ftdi_txd"),
        ("CABGA256", "../x y", "package: wanted 1 to 64 letters"),
        ('"mine"', '"-x"', "loader_board: wanted 1 to 64 letters"),
        ("48.0", "0.0", "clock_input_mhz: wanted a number above 0, got 0"),
        ("[links.uart]\nbaud = 2_000_000", "[links.axi]", "links: ECP5 has no axi"),
        ("uart", "usb", "links: wanted one of uart, axi, got 'usb'"),
        ("2_000_000", "2", "baud: wanted 300 to 10,000,000,000, got 2"),
        ("[links.uart]", "[boards.a]\n[boards.b]\n[links.uart]", "wanted one board, got a, b"),
        ("[links.uart]", "[boards.'../a']\n[links.uart]", "name: wanted 1 to 64 letters"),
        ('family = "ecp5"', "family =", "it is not TOML"),
    ],
)
def test_what_is_wrong_with_a_board_is_said_in_one_line(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    path = own(tmp_path, old, new)
    with pytest.raises(ConfigError, match=message) as caught:
        find_board(path)
    assert str(caught.value).startswith(str(path)) or "cannot read" in str(caught.value)
    assert str(caught.value).isprintable()


OWN_ZYNQ = """\
family = "xc7"
device = "XC7Z007S"
part = "xc7z007sclg400-1"
memory_mib = 512
pll_mhz = 1000.0
max_clock_mhz = 250.0
default_clock_mhz = 100.0
links = { axi = {} }
totals = { lut = 14_400, ff = 28_800, carry4 = 3_600, bram36 = 50, dsp = 66 }
target_fps = {}
[ps_properties]
PCW_CRYSTAL_PERIPHERAL_FREQMHZ = 33.333333
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", None),
        ("lut = 14_400", "luts = 14_400", "totals: wanted 1 or more of lut, ff, .*, got 'luts'"),
        ("lut = 14_400", "lut = 0", "totals: wanted 1 or more of lut, .*, got 'lut' = 0"),
        ("pll_mhz = 1000.0", "pll_mhz = 0.0", "pll_mhz: wanted a number above 0"),
        ("xc7z007sclg400-1", "x; exec rm", "part: wanted 1 to 64 letters"),
        ("axi = {}", "", "links: wanted one of uart, axi, got none"),
        ("axi = {}", "uart = { baud = 1_000_000 }", "links: 7 series has no uart"),
        ("memory_mib", "pins = {}\nmemory_mib", "unknown key pins"),
    ],
)
def test_a_zynq_board_of_ones_own(old: str, new: str, message: str | None, tmp_path: Path) -> None:
    path = tmp_path / "zynq.toml"
    path.write_text(OWN_ZYNQ.replace(old, new) if old else OWN_ZYNQ)
    if message is None:
        assert find_board(path).name == "zynq"
    else:
        with pytest.raises(ConfigError, match=message):
            find_board(path)


def test_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BnnEdgeError, match="cannot read .*nowhere.toml: No such file"):
        find_board(str(tmp_path / "nowhere.toml"))


def test_board_made_in_python_is_checked_too(tmp_path: Path) -> None:
    board = find_board(own(tmp_path))
    assert isinstance(board, FpgaBoard)
    assert find_board(board) is board
    pins = {role: pin for role, pin in board.pins.items() if role != "rx"}
    with pytest.raises(ConfigError, match="pins.rx: is missing"):
        find_board(dataclasses.replace(board, pins=pins))


def test_installed_package_brings_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own(tmp_path)

    class Entry:
        def load(self) -> Path:
            return path

    def entry_points(*, group: str, name: str) -> list[Entry]:
        return [Entry()] if (group, name) == ("bnnedge.boards", "theirs") else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert find_board("theirs").name == "my-board"
    with pytest.raises(SynthesisError, match="board 'others' is unknown"):
        find_board("others")


RECIPE = """\
name = "small"
[network]
topology = "mlp"
hidden = [8]
[data]
dataset = "digits"
encoding = "threshold"
threshold = 8.0
[training]
epochs = 1
batch_size = 100
learning_rate = 0.02
[hardware]
board = "my-board.toml"
clock_mhz = 60
target_fps = 1000
"""


def test_recipe_names_a_boards_file_relative_to_itself(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    own(tmp_path)
    recipe = Recipe.load(tmp_path / "recipe.toml")
    assert recipe.hardware is not None
    assert find_board(recipe.hardware.synth.board).name == "my-board"
    own(tmp_path, "tx = ", "txd = ")
    with pytest.raises(ConfigError, match="hardware.board: .*my-board.toml: .*unknown role 'txd'"):
        Recipe.load(tmp_path / "recipe.toml")
