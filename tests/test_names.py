"""Names from outside: refused at every door, or text that no generated file can be changed with."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bnnedge import verbs
from bnnedge.boards import find_board
from bnnedge.cli import main
from bnnedge.config import structure
from bnnedge.dataflow import Dataflow
from bnnedge.design import TOP_MODULE, Design
from bnnedge.errors import ConfigError, DataflowError, DesignError
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.hardware import RtlConfig, emit
from bnnedge.lowering import LoweringConfig
from bnnedge.names import (
    check_label,
    check_network_name,
    identifier,
    inner_file,
    is_inner_path,
    network_name,
    printable,
)
from bnnedge.recipe import Recipe
from bnnedge.synthesis.vivado import write_project
from tests.deployment.conftest import make_package, make_pynq_package
from tests.networks import random_mlp

INJECTIONS = [
    "../../evil",
    "/abs/evil",
    "-o evil",
    ".evil",
    'evil"; rm -rf evil',
    "$(touch evil)",
    "`touch evil`",
    "[exec touch evil]",
    '");\n',
    "evil*/ system(evil); /*",
    "evil\\",
    "<script>evil</script>",
    "{{ evil }}",
    "$evil",
    "злой evil",
    "evil 'name' & more",
    "evil" * 60,
]
UNPRINTABLE = [
    *("", "a\nb", "a\0b", "a\rb", "\x1b[2Jevil", "\u202egnp.live", "a\u200bb", "\ud800", "x" * 300),
]
PRINTABLE = [name for name in INJECTIONS if name.isprintable()]
RESERVED = ["module", "endmodule", "class", "CON", "aux.txt", "input"]


@pytest.mark.parametrize("name", [*INJECTIONS, *UNPRINTABLE, "CON", "aux.txt", "com1", "x" * 65])
def test_a_network_may_not_be_called_so_at_any_door(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name: wanted 1 to 64 letters") as caught:
        LoweringConfig(name=name)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 400
    dataflow = dataclasses.replace(random_mlp((6, 4, 2)), name=name)
    with pytest.raises(DataflowError, match="name: wanted"):
        dataflow.verify()
    small = {
        "name": name,
        "network": {"topology": "mlp", "hidden": [8]},
        "data": {"dataset": "digits", "encoding": "threshold", "threshold": 8.0},
        "training": {"epochs": 1, "batch_size": 100, "learning_rate": 0.02},
    }
    with pytest.raises(ConfigError, match="name: wanted"):
        structure(small, Recipe, source="recipe.toml")


def test_names_that_are_in_use_stay_as_they_are() -> None:
    for name in ("tfc_mnist", "digits", "resnet18_cifar_10", "a-b.c", "_x", "module", "x" * 64):
        check_network_name(name, raises=ConfigError)
        assert network_name(name) == name
        assert identifier("mvu_0") == "mvu_0"


@pytest.mark.parametrize("text", [*INJECTIONS, *UNPRINTABLE, *RESERVED, "com1." + "x" * 70])
def test_any_text_gives_a_name_and_an_identifier(text: str) -> None:
    check_network_name(network_name(text), raises=ConfigError)
    assert re.fullmatch(r"[A-Za-z0-9_]{0,64}", identifier(text))
    assert printable(text).isprintable()


@pytest.mark.parametrize("name", UNPRINTABLE)
def test_a_node_may_not_be_called_so(name: str) -> None:
    with pytest.raises(DataflowError, match="wanted 1 to 255 printable") as caught:
        check_label(name, what="name of a node", raises=DataflowError)
    assert str(caught.value).isprintable()
    with pytest.raises(DataflowError, match="name of a node: wanted"):
        renamed(random_mlp((6, 4, 2)), [name, "last"]).verify()


def renamed(dataflow: Dataflow, names: list[str]) -> Dataflow:
    nodes = tuple(
        dataclasses.replace(node, name=name)
        for node, name in zip(dataflow.nodes, names, strict=True)
    )
    return dataclasses.replace(dataflow, nodes=nodes)


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Names of nodes, some of which have equal identifiers."""
    return [*PRINTABLE, *RESERVED[:-1], "evil.a", "evil/a", "evil_a"]


@pytest.fixture(scope="module")
def dataflow(names: list[str]) -> Dataflow:
    return renamed(random_mlp((6,) * len(names) + (3,)), names)


@pytest.fixture(scope="module")
def rtl(dataflow: Dataflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    (folder / "dataflow").mkdir()
    dataflow.save(folder / "dataflow")
    return emit(folder / "dataflow", RtlConfig(target_fps=1e6), folder / "rtl").folder


def assert_harmless(folder: Path, names: list[str]) -> None:
    """File names are plain, and no file but JSON, which quotes, has a hostile name in it."""
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert is_inner_path(path.relative_to(folder).as_posix()), path
        content = path.read_bytes()
        if path.suffix == ".json":
            json.loads(content)
        elif path.suffix not in (".npz", ".npy", ".bin", ".whl"):
            assert not [name for name in names if name.encode() in content], path


def test_no_back_end_writes_a_nodes_name_raw(
    rtl: Path, dataflow: Dataflow, names: list[str], tmp_path: Path
) -> None:
    hostile = [name for name in names if name in INJECTIONS]
    assert len(hostile) > 10
    design = Design.load(rtl)
    assert [layer.name for layer in design.layers] == names
    board = find_board("pynq-z1")
    assert isinstance(board, ZynqBoard)
    verbs.hls(rtl, tmp_path / "hls", images=2)
    write_project(design, board, rtl, clock_hz=100_000_000, folder=tmp_path / "vivado")
    (tmp_path / "synth.ys").write_text(board.family.script(design.sources))
    make_package(tmp_path / "uart", dataflow)
    make_pynq_package(tmp_path / "pynq", dataflow)
    assert_harmless(rtl, hostile)
    assert_harmless(tmp_path, hostile)
    core = (rtl / "sv" / f"{TOP_MODULE}.sv").read_text()
    instances = [line.split()[1] for line in core.splitlines() if line.startswith("  ) i_")]
    assert len(set(instances)) == len(instances)


@pytest.mark.slow
def test_hostile_names_of_nodes_are_simulated(rtl: Path) -> None:
    assert verbs.simulate(rtl, images=2, stalls=0).images == 2


def test_files_that_a_folder_names_are_inside_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    for path in (folder / "in" / "a.sv", tmp_path / "secret"):
        path.write_text("")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to("loop")
    (folder / "near").symlink_to("in/a.sv")
    for name in ("in/a.sv", "near"):
        assert inner_file(folder, name, raises=DesignError) == folder / name
    for name in (
        *(
            "../secret",
            str(tmp_path / "secret"),
            "link",
            "up/secret",
            "in/../../secret",
            "in/./a.sv",
        ),
        *("", ".", "in", "loop", "absent", "a\0b", "a b", "-x", *UNPRINTABLE),
    ):
        with pytest.raises(DesignError) as caught:
            inner_file(folder, name, raises=DesignError)
        assert str(caught.value).isprintable()


def test_messages_have_no_escapes(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["lower", f"{tmp_path}/\x1b[2J\u202egnp.onnx", "-o", "x"])
    assert result.exit_code == 1
    assert result.stderr.rstrip("\n").isprintable()
    assert r"\x1b[2J\u202egnp.onnx" in result.stderr
