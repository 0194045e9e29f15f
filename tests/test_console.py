"""The command line's own words: one line, whatever becomes of standard output and error."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bnnedge.cli import main
from bnnedge.console import Program, of_the_system, say
from bnnedge.progress import Progress
from bnnedge.shell import watched


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rtl"], "Missing argument 'DATAFLOW'. — see bnnedge rtl --help"),
        (["rtl", "d"], "Missing option '-o' / '--output'."),
        (["rtl", "d", "-o", ""], "wanted a path, got an empty one"),
        (["rtl", "d", "-o", "x", "--target-fps", "fast"], "'fast' is not a valid float."),
        (["rtl", "d", "-o", "x", "--wrong"], "No such option '--wrong'."),
        (["deploy", "d", "--images", "1.5"], "'1.5' is not a valid integer."),
        (["rattle"], "No such command 'rattle'."),
        (["evaluate", "d", "--dataset", "mist"], "'mist' is not one of"),
    ],
)
def test_wrong_usage_is_one_line(words: list[str], message: str) -> None:
    for more in ([], ["--json"]):
        result = CliRunner().invoke(main, [*words, *more], prog_name="bnnedge")
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith("bnnedge: ") and message in line
        if more:
            assert message in json.loads(result.stdout)["error"]


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["rtl", "d", "-o", str(tmp_path / "file")])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("bnnedge: ") and "is a file." in line


def test_no_command_is_a_question() -> None:
    result = CliRunner().invoke(main, [])
    assert "Usage:" in result.output and "Commands:" in result.output


@main.command(name="test-say", hidden=True)
def _say() -> None:
    say("a → b\n" * 100_000)


def _run(code: str, **options: object) -> "subprocess.CompletedProcess[str]":
    text = f"import sys; from tests.test_console import program; sys.argv[1:] = {code}; program()"
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-c", text], stderr=subprocess.PIPE, text=True, timeout=60, **options
    )


@click.group(cls=Program)
def program() -> None:
    """Says much."""


program.add_command(_say)
main.commands.pop("test-say")


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = _run("['test-say']", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_output_is_no_error() -> None:
    done = _run("['test-say']", preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("words", [["doctor"], ["--help"]])
def test_a_full_disk_is_one_line(tmp_path: Path, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bnnedge", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        )
    assert done.returncode == 1
    assert done.stderr == "bnnedge: cannot write the results: No space left on device\n"


def test_an_encoding_without_arrows_is_no_error() -> None:
    done = _run(
        "['test-say']",
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )
    assert done.returncode == 0 and done.stdout.startswith("a ? b\n")


def test_what_the_system_refuses_is_no_internal_error() -> None:
    assert of_the_system(PermissionError(13, "Permission denied", "x")) == "x: Permission denied"
    assert of_the_system(MemoryError()) == "there is not enough memory for this"
    assert of_the_system(FileNotFoundError(2, "No such file", "x")) is None
    assert of_the_system(ValueError("x")) is None


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = CliRunner().invoke(main, ["emulate", "d", "--inputs", "x.npy", "-o", "y.npy"])
    assert result.exit_code == 1
    assert "the folder that this was started in is gone — change to another" in result.stderr


def test_progress_is_shown_under_the_name_of_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def half(*, progress: Progress) -> str:
        progress("half", 0.5)
        return "done"

    @click.command()
    def measure() -> None:
        assert watched(half) == "done"

    measure.main([], standalone_mode=False)
    assert capsys.readouterr().err == "measure …\n"


def test_a_terminal_sees_a_bar_a_stage() -> None:
    code = """
from bnnedge.shell import ProgressBars
with ProgressBars() as bars:
    train, export = bars.of("train"), bars.of("export")
    train("", 0.0), train("epoch 3", 0.5), train("done", 1.0)
    export("writing " + "long " * 100)
"""
    ours, theirs = os.openpty()
    done = subprocess.run([sys.executable, "-c", code], stderr=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "epoch 3" in shown and "writing long" in shown
    assert shown.count("\n") == 2 and max(map(len, shown.replace("\r", "\n").split("\n"))) < 100


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("bnnedge syn", "plain,synth"),
        ("bnnedge synth --board ulx3s-8", "plain,ulx3s-85f\nfile,ulx3s-8"),
        ("bnnedge build digits_", "plain,digits_ice40\nfile,digits_"),
        ("bnnedge recipes lfc_m", "plain,lfc_mnist"),
        ("bnnedge evaluate --model len", "plain,lenet5"),
        ("bnnedge evaluate --dataset mn", "plain,mnist"),
    ],
)
def test_a_shell_completes_what_there_is(words: str, completed: str) -> None:
    count = len(words.split()) - 1
    asked = {"_BNNEDGE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    result = CliRunner(env=asked).invoke(main, prog_name="bnnedge")
    assert result.output.strip() == completed
