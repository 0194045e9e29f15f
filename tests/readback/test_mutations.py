"""A change of a bitstream is seen, or has no effect whatever comes: hundreds of random ones (slow).

`pytest -s -m slow tests/readback/test_mutations.py` prints how many of each kind.
"""

import collections
import dataclasses
import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnedge import tools
from bnnedge.dataflow import Dataflow
from bnnedge.hardware import RtlConfig, emit
from bnnedge.readback.netlist import Cell, Net, Netlist, Signal
from bnnedge.readback.trellis import Configuration, Tile, read_configuration, read_kind
from bnnedge.synthesis.config import SynthesisConfig
from tests.networks import random_conv, random_mlp
from tests.readback.mutations import Made, bits_of, flipped, known, make, mutants, without_effect

CHANGES = 200
CONFIG = SynthesisConfig(board="ulx3s-25f", clock_mhz=25, baud=2_500_000, read_back=True)
DESIGNS = {"dense": lambda: random_mlp((64, 128, 10)), "convolutions": random_conv}


@pytest.fixture(scope="module", params=DESIGNS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    (folder / "dataflow").mkdir()
    network: Callable[[], Dataflow] = DESIGNS[request.param]
    network().save(folder / "dataflow")
    rtl = emit(folder / "dataflow", RtlConfig(target_fps=1e4), folder / "rtl").folder
    return make(rtl, CONFIG, folder / "synth")


@pytest.mark.slow
def test_every_change_is_seen_or_without_effect(made: Made) -> None:
    sound = made.read(made.configuration).netlist
    tables, others = {"LUT4", "PFUMX", "L6MUX21"}, {"TRELLIS_FF", "LUTRAM", "DP16KD", "EHXPLLL"}
    assert tables | {"CCU2C"} | others == set(sound.kinds)
    assert made.fault(made.configuration) is None
    found: collections.Counter[str] = collections.Counter()
    unexplained = []
    for what, changed in itertools.islice(mutants(made, seed=1), CHANGES):
        kind = next(word for word in what.split() if word in ("memory", "bit", "arc", "enum"))
        if made.fault(changed) is not None:
            found[f"{kind}: seen"] += 1
        elif without_effect(sound, made.read(changed).netlist):
            found[f"{kind}: without effect"] += 1
        else:
            unexplained.append(what)
    print(f"\n{made.artifact.folder.parent.name}: {dict(sorted(found.items()))}")
    assert not unexplained
    assert all(found[f"{kind}: seen"] > 0 for kind in ("memory", "bit", "arc", "enum"))


@pytest.mark.slow
def test_a_flipped_bit_is_said_as_ecpunpack_says_it(made: Made, tmp_path: Path) -> None:
    chance = random.Random(5)
    tiles = [name for name in made.configuration.tiles if made.device.kinds[name] == "PLC2"]
    changed = {}
    for name in chance.sample(sorted(tiles), 40):
        kind, tile = made.device.kind(name), made.configuration.tiles[name]
        bits = {chance.choice(sorted(set_)) for set_ in (known(kind), bits_of(kind, tile))}
        changed[name] = flipped(kind, tile, bits)
    configuration = dataclasses.replace(
        made.configuration, tiles={**made.configuration.tiles, **changed}
    )
    (tmp_path / "in.config").write_text(text_of(configuration))
    for name, arguments in {
        "ecppack": ("--input", "in.config", "--bit", "out.bit"),
        "ecpunpack": ("--input", "out.bit", "--textcfg", "out.config"),
    }.items():
        tools.run([tools.find(name), *arguments], cwd=tmp_path, log=tmp_path / "log", timeout_s=600)
    unpacked = read_configuration((tmp_path / "out.config").read_text())
    assert {name: unpacked.tiles[name] for name in changed} == changed


def text_of(configuration: Configuration) -> str:
    """As nextpnr and ecpunpack write it."""
    lines = [f".device {configuration.device}", ""]
    for name, tile in configuration.tiles.items():
        entries = [f"{what}: {' '.join(rest).strip()}" for what, *rest in tile.entries]
        lines += [f".tile {name}", *entries, ""]
    for number, words in configuration.memories.items():
        lines += [f".bram_init {number}", *(f"{word:03x}" for word in words), ""]
    return "\n".join(lines) + "\n"


KIND = read_kind(
    ".mux A\nB F0B0\nC F0B0 F1B0\n\n.config W 00\n!F2B0\nF3B0\n\n"
    ".config_enum E OFF\nOFF -\nON F4B0\n"
)


@pytest.mark.parametrize(
    ("bit", "expected"),
    [
        ("F1B0", Tile(arcs={"A": "B"}, words={"W": "10"}, enums={"E": "ON"})),
        ("F0B0", Tile(words={"W": "10"}, enums={"E": "ON"}, unknown=frozenset({"F1B0"}))),
        ("F4B0", Tile(arcs={"A": "C"}, words={"W": "10"})),
    ],
)
def test_a_flipped_bit_is_decoded_anew(bit: str, expected: Tile) -> None:
    tile = Tile(arcs={"A": "C"}, words={"W": "10"}, enums={"E": "ON"})
    assert flipped(KIND, tile, {bit}) == expected
    assert flipped(KIND, expected, {bit}) == tile


def logic(
    init: int, c: Signal = True, *, kind: str = "LUT4", reset: str = "RESET", read: bool = True
) -> Netlist:
    """A table of two pins and a constant in front of a register."""
    pins: dict[str, Signal] = {"A": Net("a", "O"), "B": Net("b", "O"), "C": c, "D": None}
    cells = {
        "K": Cell(kind=kind, parameters={"INIT": init}, inputs=pins, outputs=("Z",)),
        "Q": Cell(
            kind="TRELLIS_FF",
            parameters={"REGSET": reset},
            inputs={"DI": Net("K", "Z") if read else False},
            outputs=("Q",),
        ),
    }
    return Netlist(cells=cells, inputs={}, outputs={"out": Net("Q", "Q")})


@pytest.mark.parametrize(
    ("other", "is_without"),
    [
        (logic(0x6060), False),  # nothing differs: a bit that was not read
        (logic(0x6061), True),  # C is 1
        (logic(0x6070), False),
        (logic(0x4060), False),  # D is not known
        (logic(0x6666, False), True),
        (logic(0x6060, False), False),
        (logic(0x6060, reset="SET"), False),
        (logic(0x6060, kind="LUTRAM"), False),
    ],
)
def test_what_has_no_effect(other: Netlist, is_without: bool) -> None:
    assert without_effect(logic(0x6060), other) is is_without


def test_what_nothing_reads_has_no_effect() -> None:
    assert without_effect(logic(0x6060, read=False), logic(0x9999, read=False))
