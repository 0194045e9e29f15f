"""What there is can be listed, a line each, and recipes can be copied."""

import importlib.metadata
import json
import re
from pathlib import Path

import pytest

from bnnedge import listings
from bnnedge.boards import known_boards
from bnnedge.data.config import DatasetName
from bnnedge.data.fetch import _SOURCES as SOURCES
from bnnedge.errors import BnnEdgeError
from bnnedge.models.config import Topology
from bnnedge.recipes import RECIPES, recipe_names
from tests.test_cli import bnnedge, one_line

_WANTED = {
    "boards": list(known_boards()),
    "models": [topology.value for topology in Topology],
    "datasets": [name.value for name in DatasetName],
    "recipes": list(recipe_names()),
}


@pytest.mark.parametrize("what", _WANTED)
def test_each_is_on_a_line_of_its_own_with_a_description(what: str) -> None:
    lines = bnnedge(what).output.splitlines()
    assert [line.split()[0] for line in lines] == _WANTED[what]
    assert all(len(line.split()) > 2 for line in lines)
    entries = json.loads(bnnedge(what, "--json").output)
    assert [entry["name"] for entry in entries] == _WANTED[what]


def test_figures_and_sources_are_told() -> None:
    said = {each.name: each.description for each in (*listings.models(), *listings.datasets())}
    assert "trained on mnist: 99.21%" in said["lenet5"]
    for name in DatasetName:
        fetched = f"`bnnedge fetch {name.value}`" in said[name.value]
        assert fetched != (name.is_users or name is DatasetName.DIGITS)
        assert said[name.value].endswith("says where") == (fetched and name not in SOURCES)


def test_boards_of_other_packages_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = importlib.metadata.EntryPoint("broken", "bnnedge:__version__", "bnnedge.boards")

    def entry_points(group: str, name: str = "broken") -> list[importlib.metadata.EntryPoint]:
        return [broken] if name == "broken" else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    said = {each.name: each.description for each in listings.boards()}
    assert "unknown" in said["broken"] and "100 MHz" in said["ulx3s-85f"]


def test_a_recipe_is_printed_or_copied_and_nothing_is_lost(tmp_path: Path) -> None:
    text = (RECIPES / "digits.toml").read_text()
    assert bnnedge("recipes", "digits").output == text
    copied = bnnedge("recipes", "digits", "-o", tmp_path / "new")
    assert copied.exit_code == 0 and (tmp_path / "new/digits.toml").read_text() == text
    one_line(bnnedge("recipes", "digits", "-o", tmp_path / "new"), "already", "another folder")
    one_line(bnnedge("recipes", "digts"), "did you mean digits?")
    one_line(bnnedge("recipes", "-o", tmp_path), "wants a NAME")
    (tmp_path / "file").touch()
    with pytest.raises(BnnEdgeError, match="cannot write"):
        listings.copy_recipe("digits", tmp_path / "file")


def test_commands_are_listed_in_the_order_of_use() -> None:
    lines = bnnedge("--help").output.partition("Commands:")[2].splitlines()
    names = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    order = "fetch train export lower rtl simulate synth package deploy build recipes doctor"
    assert [name for name in names if name in order.split()] == order.split()


def test_the_page_of_boards_has_their_default_clock() -> None:
    page = (RECIPES.parents[1] / "docs/reference/boards.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"to `--clock-mhz` \((\d+) where it is not given", page)
    for name, board in known_boards().items():
        assert board.default_clock_mhz == float(said) or not name.startswith("ulx3s")
        assert f"{board.default_clock_mhz:g} MHz by default" in bnnedge("boards").output
