"""What callers give the verbs: paths as text, numbers of any kind, and one line for the rest."""

import enum
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnnedge
from bnnedge.arguments import checked, member_of
from bnnedge.design import Design
from bnnedge.errors import BnnEdgeError, ConfigError
from bnnedge.hardware import RtlConfig, emit
from tests.networks import random_inputs, random_mlp


@checked
def echo(
    path: Path, rate: float | None = None, *, count: int = 1, name: str = "n", on: bool = False
) -> tuple[Any, ...]:
    return path, rate, count, name, on


def test_paths_and_numbers_become_what_is_wanted() -> None:
    assert echo("a/b") == (Path("a/b"), None, 1, "n", False)
    given = echo(Path("a"), np.float32(0.5), count=np.int64(3), name="x", on=True)
    assert given == (Path("a"), 0.5, 3, "x", True)
    assert [type(value) for value in given[1:3]] == [float, int]
    assert echo("a", Fraction(1, 2))[1] == 0.5 and echo("a", 3)[1] == 3.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": None}, "echo: path wants a path, got None"),
        ({"path": 3}, "echo: path wants a path, got 3"),
        ({"path": b"a"}, "echo: path wants a path, got b'a'"),
        ({"path": random_mlp((4, 2))}, "echo: path wants a path, got a Dataflow"),
        ({"path": ""}, "echo: path wants a path, got ''"),
        ({"path": "a\0b"}, "echo: path wants a path"),
        ({"path": "a/" + "n" * 256}, "names of at most 255 bytes, got 256"),
        ({"path": "\ud800"}, "echo: path wants a path"),
        ({"path": "a", "rate": float("nan")}, "echo: rate wants a finite number, got nan"),
        ({"path": "a", "rate": 10**400}, "echo: rate wants a finite number"),
        ({"path": "a", "rate": "1"}, "echo: rate wants a number, got '1'"),
        ({"path": "a", "count": None}, "echo: count wants an integer, got None"),
        ({"path": "a", "count": True}, "echo: count wants an integer, got True"),
        ({"path": "a", "count": 1.0}, "echo: count wants an integer, got 1.0"),
        ({"path": "a", "count": 2**63}, "echo: count wants an integer of at most 64 bits"),
        ({"path": "a", "name": b"n"}, "echo: name wants text, got b'n'"),
        ({"path": "a", "on": 1}, "echo: on wants True or False, got 1"),
    ],
)
def test_wrong_types_are_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        echo(**given)


class Colour(enum.Enum):
    RED = "red"


def test_a_progress_that_cannot_be_called_is_one_line(folder: Path) -> None:
    with pytest.raises(ConfigError, match="simulate: progress wants a function, got 'yes'"):
        bnnedge.simulate(folder, progress="yes")  # type: ignore[arg-type]


def test_a_choice_is_the_member_or_its_value() -> None:
    assert member_of("c", "red", Colour) is member_of("c", Colour.RED, Colour) is Colour.RED
    with pytest.raises(ConfigError, match=r"c wants one of red, got 'rad' \(did you mean red\?\)"):
        member_of("c", "rad", Colour)
    with pytest.raises(ConfigError, match="c wants one of red, got 3"):
        member_of("c", 3, Colour)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "d").mkdir()
    random_mlp((12, 8, 4)).save(tmp_path / "d")
    emit(tmp_path / "d", RtlConfig(target_fps=1e6), tmp_path / "r")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_verb_takes_paths_as_text(folder: Path) -> None:
    graph = bnnedge.Dataflow.load("d")
    x = random_inputs(graph, 3)
    assert np.array_equal(bnnedge.emulate("d", x), graph.run(x))
    assert bnnedge.rtl("d", "r2", target_fps=1000).folder == Path("r2")
    assert Design.load("r").name == graph.name
    for call in (
        lambda: bnnedge.train("no.toml", "o"),
        lambda: bnnedge.build("no.toml", "o"),
        lambda: bnnedge.export("no", "o"),
        lambda: bnnedge.lower("no.onnx", "o"),
        lambda: bnnedge.fifos("no", "o"),
        lambda: bnnedge.simulate("no"),
        lambda: bnnedge.hls("no", "o"),
        lambda: bnnedge.synth("no", "o", board="ulx3s-85f"),
        lambda: bnnedge.package("no", "o"),
        lambda: bnnedge.deploy("no"),
        lambda: bnnedge.evaluate("no", "digits"),
        lambda: bnnedge.fetch("nist"),
        lambda: bnnedge.train(None, "o"),  # type: ignore[arg-type]
    ):
        with pytest.raises(BnnEdgeError) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert not (folder / "o").exists()


@pytest.mark.parametrize(
    ("verb", "given", "message"),
    [
        ("rtl", {"target_fps": 0.0}, "target_fps: wanted a positive number, got 0"),
        ("rtl", {"target_fps": -1.0}, "target_fps: wanted a positive number, got -1"),
        ("rtl", {"target_fps": 1e308}, "target_fps: wanted 1e.308 images/s, .* at most"),
        ("rtl", {"target_fps": float("inf")}, "target_fps wants a finite number, got inf"),
        ("rtl", {"clock_mhz": float("nan")}, "clock_mhz wants a finite number, got nan"),
        ("rtl", {"clock_mhz": 1e-300}, "clock_mhz: wanted 0.001 to 10,000 MHz, got 1e-300"),
        ("hls", {"clock_mhz": 0.0}, "clock_mhz: wanted 1 to 10,000 MHz, got 0"),
        ("hls", {"images": 0}, "images: wanted 1 to 1,000,000, got 0"),
        ("hls", {"images": 10**12}, "images: wanted 1 to 1,000,000, got 10"),
        ("synth", {"board": "ulx3s-85f", "seed": -1}, "seed: wanted 0 to 2,147,483,647, got -1"),
        ("synth", {"board": "ulx3s-85f", "seed": 2**31}, "seed: wanted 0 to 2,147,483,647"),
        ("synth", {"board": "ulx3s-85f", "clock_mhz": 0.0}, "clock_mhz: wanted a positive"),
        ("synth", {"board": "ulx3s85f"}, r"'ulx3s85f' is unknown \(did you mean ulx3s-85f"),
    ],
)
def test_numbers_out_of_range_are_one_line(
    folder: Path, verb: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(BnnEdgeError, match=message):
        getattr(bnnedge, verb)("d" if verb == "rtl" else "r", "o", **given)
    assert not (folder / "o").exists()


def test_a_target_as_slow_as_it_gets(folder: Path) -> None:
    assert bnnedge.rtl("d", "o", target_fps=1e-308).facts.folding["mvu0"] == {"PE": 1, "SIMD": 1}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": 0}, "images: wanted 1 to 1,000,000, got 0"),
        ({"images": 10**15}, "images: wanted 1 to 1,000,000"),
        ({"stalls": 2.0}, r"stalls: wanted probabilities in \[0, 1\), got"),
        ({"stalls": float("nan")}, "stalls wants a finite number, got nan"),
        ({"seed": -1}, "seed: wanted a number >= 0, got -1"),
        ({"seed": 2**70}, "seed wants an integer of at most 64 bits"),
    ],
)
def test_simulations_that_cannot_be(folder: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bnnedge.simulate("r", **given)
