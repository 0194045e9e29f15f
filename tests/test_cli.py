"""What a user sees: one line for each mistake, an exit code, and nothing half-written."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bnnedge.cli import main
from bnnedge.design import Design
from bnnedge.hardware import RtlConfig, emit
from tests.networks import random_inputs, random_mlp
from tests.networks.branches import one_residual
from tests.processes import listen_to_ctrl_c

RECIPE = """
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
board = "ulx3s-85f"
clock_mhz = 50
target_fps = 1000
"""


def bnnedge(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def dataflow(tmp_path: Path) -> Path:
    folder = tmp_path / "dataflow"
    folder.mkdir()
    random_mlp((12, 8, 4)).save(folder)
    return folder


@pytest.fixture
def rtl(tmp_path: Path, dataflow: Path) -> Path:
    return emit(dataflow, RtlConfig(target_fps=1e6), tmp_path / "rtl").folder


def one_line(result: Result, *words: str) -> None:
    """The command failed with one line that says these words, and no traceback."""
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("bnnedge: "), result.output
    for word in words:
        assert word in lines[0]


def recipe(tmp_path: Path, old: str = "", new: str = "") -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace(old, new) if old else RECIPE)
    return path


def test_every_command_has_an_example() -> None:
    verbs = (
        "fetch train export lower rtl fifos simulate hls emulate predict evaluate"
        " synth verify-bits package deploy build report"
    )
    about = {"doctor", "recipes", "boards", "models", "datasets"}
    assert set(verbs.split()) | about == set(main.commands)
    for name in main.commands:
        assert f"Example: bnnedge {name}" in bnnedge(name, "--help").output


def test_help_answers_without_heavy_imports() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from bnnedge.cli import main;"
        "CliRunner().invoke(main, ['--help']);"
        "print({'torch', 'numpy', 'onnx', 'finn', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 1", "epochs = 0", ["training", "epochs wants at least 1, got 0"]),
        ("epochs = 1", "epoch = 1", ["training", "epoch"]),
        ('"digits"', '"cifar"', ["data.dataset", "digits", "got 'cifar'"]),
        ("target_fps = 1000", "", ["hardware", "target_fps or folding"]),
        ("[network]", "[network", ["cannot read"]),
    ],
)
def test_recipe_mistakes(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    out = tmp_path / "out"
    one_line(bnnedge("train", recipe(tmp_path, old, new), "-o", out), *words)
    assert not out.exists()


def test_unknown_board_lists_the_known_ones(rtl: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one_line(bnnedge("synth", rtl, "--board", "arty", "-o", out), "arty", "ulx3s-85f")
    assert not out.exists()


@pytest.mark.parametrize(
    ("folding", "words"),
    [
        ('{"mvu0": {"PE": 3, "SIMD": 4}, "mvu1": {"PE": 1, "SIMD": 1}}', ["mvu0", "PE", "3"]),
        ('{"mvu0": {"PE": 2, "SIMD": 4}}', ["mvu1"]),
        ("[]", ["folding"]),
        ("{", ["folding"]),
    ],
)
def test_folding_mistakes(tmp_path: Path, dataflow: Path, folding: str, words: list[str]) -> None:
    (tmp_path / "folding.json").write_text(folding)
    out = tmp_path / "out"
    one_line(bnnedge("rtl", dataflow, "--folding", tmp_path / "folding.json", "-o", out), *words)
    assert not out.exists()


def test_unreachable_target_is_refused(tmp_path: Path, dataflow: Path) -> None:
    result = bnnedge("rtl", dataflow, "--target-fps", "1e12", "-o", tmp_path / "out")
    one_line(result, "1e+12" if "1e+12" in result.stderr else "images/s")


@pytest.mark.parametrize("name", ["dataflow.json", "weights.npz"])
def test_truncated_dataflow(tmp_path: Path, dataflow: Path, name: str) -> None:
    content = (dataflow / name).read_bytes()
    (dataflow / name).write_bytes(content[:-20])
    one_line(bnnedge("rtl", dataflow, "-o", tmp_path / "out"), str(dataflow))


def test_truncated_rtl_folder(rtl: Path) -> None:
    (rtl / "design.json").write_text("{")
    one_line(bnnedge("simulate", rtl), "design.json is not as bnnedge rtl wrote it")
    (rtl / "artifact.json").unlink()
    one_line(bnnedge("simulate", rtl), "not an RTL folder")


def test_fifos_are_sized_and_taken(tmp_path: Path) -> None:
    residual = tmp_path / "residual"
    residual.mkdir()
    one_residual(5).save(residual)
    draft, sized, out = tmp_path / "draft", tmp_path / "fifos", tmp_path / "rtl"
    assert bnnedge("rtl", residual, "--target-fps", "1e5", "-o", draft).exit_code == 0
    result = bnnedge("fifos", draft, "-o", sized)
    assert result.exit_code == 0, result.output
    depths = json.loads((sized / "fifos.json").read_text())
    guesses = {fifo.name: fifo.depth_words for fifo in Design.load(draft).fifos}
    assert depths.keys() == guesses.keys()
    assert min(depths.values()) == 2
    assert sum(depths.values()) < sum(guesses.values())
    # A row and a pixel are the least with which it is not stuck.
    assert depths["4_sum_b_fifo"] >= 6
    for name, words in depths.items():
        assert f"{name}: {words} words of" in result.output
    assert "with these depths 180.00 cycles/image, predicted 180" in result.output

    result = bnnedge(
        "rtl", residual, "--folding", draft / "folding.json",
        "--fifo-depths", sized / "fifos.json", "-o", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert {fifo.name: fifo.depth_words for fifo in Design.load(out).fifos} == depths
    assert bnnedge("simulate", out, "--images", "6").exit_code == 0


def test_fifos_of_what_is_no_rtl_folder(tmp_path: Path, dataflow: Path) -> None:
    one_line(bnnedge("fifos", dataflow, "-o", tmp_path / "out"), str(dataflow), "design.json")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("depths", "words"),
    [
        ('{"4_sum_b_fifo": 6}', ["4_sum_b_fifo is no FIFO of this network", "size"]),
        ('{"0_mvu0_fifo": 1}', ["depths.json", "0_mvu0_fifo", "wanted 2 words or more, got 1"]),
        ('{"0_mvu0_fifo": true}', ["depths.json", "wanted 2 words or more, got True"]),
        ('{"0_mvu0_fifo": "9"}', ["depths.json", "wanted 2 words or more, got '9'"]),
        ("{}", ["depths.json", "words"]),
        ("[9]", ["depths.json", "got list"]),
        ('{"0_mvu0_fifo": 9', ["depths.json", "it is not JSON"]),
        ("\x00\xff", ["depths.json", "it is not text"]),
    ],
)
def test_depth_mistakes(tmp_path: Path, dataflow: Path, depths: str, words: list[str]) -> None:
    path, out = tmp_path / "depths.json", tmp_path / "out"
    path.write_text(depths, encoding="latin-1")
    one_line(bnnedge("rtl", dataflow, "--fifo-depths", path, "-o", out), *words)
    assert not out.exists()


def test_depths_that_are_not_there(tmp_path: Path, dataflow: Path) -> None:
    path = tmp_path / "no.json"
    one_line(bnnedge("rtl", dataflow, "--fifo-depths", path, "-o", tmp_path / "out"), str(path))


@pytest.mark.parametrize("content", [b"", b"not onnx at all", b"\x08\x07"])
def test_files_that_are_no_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    out = tmp_path / "out"
    one_line(bnnedge("lower", tmp_path / "model.onnx", "-o", out), "model.onnx")
    assert not out.exists()


class Payload:
    """What a malicious checkpoint would run."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.target}",)


def test_checkpoint_that_executes_code(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    assert bnnedge("train", recipe(tmp_path), "-o", checkpoint).exit_code == 0
    (checkpoint / "checkpoint.pt").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    one_line(bnnedge("export", checkpoint, "-o", tmp_path / "out"), "checkpoint.pt")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_inputs_of_the_wrong_shape(tmp_path: Path, dataflow: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((5, 13)))
    result = bnnedge("emulate", dataflow, "--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    one_line(result, "wanted shape (N, 12), got (5, 13)")
    assert not (tmp_path / "y.npy").exists()


def test_inputs_that_would_execute_code(tmp_path: Path, dataflow: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([Payload(tmp_path / "ran")], dtype=object))
    result = bnnedge("emulate", dataflow, "--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    one_line(result, "x.npy: wanted an array of numbers")
    assert not (tmp_path / "ran").exists()


def test_build_leaves_other_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    one_line(bnnedge("build", recipe(tmp_path), "-o", tmp_path / "thesis"), "thesis", "another -o")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]


def test_emulate_equals_the_interpreter(tmp_path: Path, dataflow: Path) -> None:
    graph = random_mlp((12, 8, 4))
    x = random_inputs(graph, 30)
    np.save(tmp_path / "x.npy", x)
    result = bnnedge(
        "emulate", dataflow, "--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "--json"
    )
    assert json.loads(result.stdout)["shape"] == [30, 4]
    assert np.array_equal(np.load(tmp_path / "y.npy"), graph.run(x))


def test_missing_compiler(rtl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one_line(bnnedge("simulate", rtl), "g++", "apt install g++")


def test_deploy_wants_to_know_where(tmp_path: Path) -> None:
    one_line(bnnedge("deploy", tmp_path), "--simulate", "--port")


def test_json_failures_are_json(tmp_path: Path) -> None:
    result = bnnedge("export", tmp_path / "absent", "-o", tmp_path / "out", "--json")
    assert result.exit_code == 1
    assert "absent" in json.loads(result.stdout)["error"]


@pytest.mark.parametrize(
    ("stop", "said"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "stopped by SIGTERM")],
)
def test_a_stop_leaves_the_state_to_go_on_from_and_no_artifact(
    tmp_path: Path, stop: signal.Signals, said: str
) -> None:
    long = recipe(tmp_path, "epochs = 1", "epochs = 100000")
    command = [sys.executable, "-m", "bnnedge", "train", str(long), "-o", str(tmp_path / "out")]
    child = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=listen_to_ctrl_c
    )
    deadline = time.monotonic() + 60
    try:
        while not list(tmp_path.glob("out.partial-training/*/state.pt")):  # an epoch is done
            assert time.monotonic() < deadline and child.poll() is None
            time.sleep(0.1)
        child.send_signal(stop)
        _, errors = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 128 + stop
    assert errors.strip().splitlines()[-1].startswith(f"bnnedge: {said}")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["out.partial-training", "recipe.toml"]
