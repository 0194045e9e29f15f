from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest

from bnnedge.config import load_toml
from bnnedge.errors import ConfigError


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Inner:
    count: int
    rate: float = 1.0
    colour: Colour = Colour.RED
    widths: tuple[int, ...] = ()
    note: str | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ConfigError("wanted a positive count")


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    inner: Inner


def read(tmp_path: Path, text: str) -> Outer:
    (tmp_path / "recipe.toml").write_text(text)
    return load_toml(tmp_path / "recipe.toml", Outer)


def test_values_arrive(tmp_path: Path) -> None:
    text = 'name = "n"\n[inner]\ncount = 3\nrate = 2\ncolour = "blue"\nwidths = [4, 5]\nnote = "t"'
    assert read(tmp_path, text) == Outer(
        name="n", inner=Inner(count=3, rate=2.0, colour=Colour.BLUE, widths=(4, 5), note="t")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "cannot read .*recipe.toml"),
        ('name = "n"', "recipe.toml: inner: is missing"),
        ('name = "n"\ninner = 3', "inner: wanted a table"),
        ('name = "n"\n[inner]', "inner.count: is missing"),
        ('name = "n"\n[inner]\ncount = "3"', "inner.count: wanted int, got '3'"),
        ('name = "n"\n[inner]\ncount = true', "inner.count: wanted int, got True"),
        ('name = "n"\n[inner]\ncount = -1', "inner: wanted a positive count"),
        ('name = "n"\n[inner]\ncount = 1\ntypo = 2', "inner: unknown key typo"),
        ('name = "n"\n[inner]\ncount = 1\ncolour = "x"', "wanted one of red, blue, got 'x'"),
        ('name = "n"\n[inner]\ncount = 1\nwidths = [1, 2.5]', r"widths.\[1\]: wanted int, got 2.5"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read .*absent.toml"):
        load_toml(tmp_path / "absent.toml", Outer)
