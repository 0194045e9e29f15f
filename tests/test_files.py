"""Small files from outside: one line and bounded memory, whatever is in them."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnedge.errors import ConfigError, DesignError
from bnnedge.files import load_json, read_bytes_bounded, read_text_bounded, read_toml


def _directory(path: Path) -> None:
    path.mkdir()


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_directory, "wanted a file, got a folder"),
        (os.mkfifo, "wanted a file, got a device or a pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "wanted a file, got a device or a pipe"),
        (_loop, "symbolic links"),
        (lambda path: None, "No such file"),
        (lambda path: path.write_bytes(b"x" * 11), "wanted at most 10 bytes, got more"),
        (lambda path: path.write_bytes(b"ab\xff\xfe"), r"not text in UTF-8 \(byte 2\)"),
    ],
)
def test_what_is_no_small_text_is_refused(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "x")
    with pytest.raises(DesignError, match=f"cannot read .*x: .*{message}"):
        read_text_bounded(tmp_path / "x", 10, raises=DesignError)


@pytest.mark.parametrize("name", ["a\0b", "n" * 300])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_bytes_bounded(tmp_path / name, 10)


def test_byte_order_mark_and_line_ends_are_taken(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes('\ufeffa = 1\r\nb = "é"\r\n'.encode())
    assert read_toml(tmp_path / "x") == {"a": 1, "b": "é"}
    (tmp_path / "x").write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, null]}\r\n')
    assert load_json(tmp_path / "x") == {"a": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested deeper than 64 levels"),
        ("[" * 80 + "]" * 80, "nested deeper than 64 levels"),
        ('{"a":' * 100_000, "nested deeper than 64 levels"),
        ('{"a": 1, "a": 2}', "key 'a' is given twice"),
        ('{"a": NaN}', "NaN is no finite number"),
        ("[-Infinity]", "-Infinity is no finite number"),
        ("[1e999]", "1e999 is no finite number"),
        (f"[{'9' * 5000}]", "a number of 5000 digits"),
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
    ],
)
def test_json_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigError, match=f"cannot read .*x.json: .*{message}"):
        load_json(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[\n" * 5000, "nested deeper than 64 levels"),
        ("a = " + "{a = " * 800, "nested deeper than 64 levels"),
        (".".join("a" * 100) + " = 1", "nested deeper than 64 levels"),
        (".".join("a" * 40_000) + " = 1", "a line of more than 4,096 characters"),
        ("a = 1\na = 2", "it is not TOML"),
        ("a = \0", "it is not TOML"),
        ("a = 1979-99-99", "it is not TOML"),
    ],
)
def test_toml_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"cannot read .*x.toml: .*{message}"):
        read_toml(tmp_path / "x.toml")


def test_memory_is_bounded_by_the_limit(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as sink:
        sink.truncate(2**40)  # sparse
    tracemalloc.start()
    with pytest.raises(ConfigError, match="wanted at most 1,000,000 bytes"):
        read_bytes_bounded(tmp_path / "x", 10**6)
    assert tracemalloc.get_traced_memory()[1] < 3 * 10**6
    tracemalloc.stop()
