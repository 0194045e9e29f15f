"""Files that are not what they should be, and what lowering leaves in its folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from bnnedge.cli import main
from bnnedge.dataflow import Dataflow
from bnnedge.errors import ConfigError, LoweringError, MismatchError
from bnnedge.lowering import LoweringConfig, lower, lower_model
from bnnedge.lowering.draft import draft
from bnnedge.lowering.load import external_files
from tests.lowering.graphs import Graph, adversarial_norm, bipolar, execute

ONE = np.float32([1])


@pytest.fixture
def graph() -> Graph:
    rng = np.random.default_rng(0)
    graph = Graph((1, 12))
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 12, 6))
    adversarial_norm(rng, 12, 6).append(graph)
    graph.add("BipolarQuant", ONE)
    graph.add("MatMul", bipolar(rng, 6, 3))
    return graph


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(LoweringError, match="no such file"):
        lower(tmp_path / "none.onnx", LoweringConfig(), tmp_path / "out")


@pytest.mark.parametrize(
    ("said", "name"),
    [(None, "my_net"), ("", "my_net"), ("lenet5_mnist", "lenet5_mnist"), ("../a b", "_a_b")],
)
def test_a_network_is_called_as_it_was_exported(
    said: str | None, name: str, graph: Graph, tmp_path: Path
) -> None:
    model = graph.model()
    if said is not None:
        model.metadata_props.add(key="bnnedge.name", value=said)
    onnx.save(model, tmp_path / "my net.onnx")
    config = LoweringConfig(check_images=16)
    assert draft(tmp_path / "my net.onnx", config).dataflow.name == name


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"not a model", b"\x08\x07\x12"])
def test_not_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(LoweringError, match="not an ONNX model, or truncated"):
        lower(path, LoweringConfig(), tmp_path / "out")


def test_huge(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as sparse:
        sparse.truncate(3 << 30)
    with pytest.raises(LoweringError, match="3072 MiB is more than 1024 MiB"):
        lower_model(path, LoweringConfig())


def test_truncated_anywhere(tmp_path: Path, graph: Graph) -> None:
    whole = graph.save(tmp_path / "whole.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    for length in range(1, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        with pytest.raises(LoweringError) as caught:
            lower_model(path, LoweringConfig())
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("opset", [0, 3, 99])
def test_unknown_opset(tmp_path: Path, graph: Graph, opset: int) -> None:
    model = graph.model()
    model.opset_import[0].version = opset
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(LoweringError, match=f"opset {opset}, wanted 7 to"):
        lower_model(tmp_path / "m.onnx", LoweringConfig())


def test_unknown_domain(tmp_path: Path, graph: Graph) -> None:
    graph.nodes[-1].domain = "com.example"
    with pytest.raises(
        LoweringError, match=r"matmul_4 \(MatMul\): op of the unknown domain com\.example"
    ):
        lower_model(graph.save(tmp_path / "m.onnx"), LoweringConfig())


def test_local_functions_are_inlined(tmp_path: Path, graph: Graph) -> None:
    """torch's exporter may wrap a module in a function of its own domain."""
    model = graph.model()
    x = np.random.default_rng(1).normal(0, 1, (5, 12)).astype(np.float32)
    onnx.save(model, tmp_path / "flat.onnx")
    wanted = lower_model(tmp_path / "flat.onnx", LoweringConfig()).dataflow.logits(x)
    opsets = list(model.opset_import)
    body = onnx.helper.make_node("MatMul", ["a", "w"], ["y"])
    function = onnx.helper.make_function("local", "Layer", ["a", "w"], ["y"], [body], opsets)
    model.functions.append(function)
    model.opset_import.append(onnx.helper.make_opsetid("local", 1))
    for node in model.graph.node:
        if node.op_type == "MatMul":
            node.op_type, node.domain = "Layer", "local"
    onnx.save(model, tmp_path / "local.onnx")
    got = lower_model(tmp_path / "local.onnx", LoweringConfig()).dataflow.logits(x)
    assert np.array_equal(got, wanted)


def test_external_data(tmp_path: Path, graph: Graph) -> None:
    path = tmp_path / "m.onnx"
    options = {"save_as_external_data": True, "location": "m.data", "size_threshold": 16}
    onnx.save(graph.model(), path, **options)
    first = lower(path, LoweringConfig(), tmp_path / "out")
    data = bytearray((tmp_path / "m.data").read_bytes())
    data[3] ^= 0x80  # the sign of the first weight: the folder is no longer current
    (tmp_path / "m.data").write_bytes(data)
    assert lower(path, LoweringConfig(), tmp_path / "out").fingerprint != first.fingerprint
    (tmp_path / "m.data").unlink()
    with pytest.raises(LoweringError, match=r"external data cannot be read.*\.data file beside"):
        lower(path, LoweringConfig(), tmp_path / "out")


@pytest.mark.parametrize("location", ["../secret", "{absolute}", "link", "up/secret", "/dev/zero"])
def test_external_data_outside_is_refused(tmp_path: Path, graph: Graph, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / "m.onnx"
    options = {"save_as_external_data": True, "location": "m.data", "size_threshold": 16}
    onnx.save(graph.model(), path, **options)
    shutil.move(folder / "m.data", tmp_path / "secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location.format(absolute=tmp_path / "secret")
    path.write_bytes(model.SerializeToString())
    assert external_files(path) == ()
    with pytest.raises(LoweringError, match="external data cannot be read"):
        lower(path, LoweringConfig(), tmp_path / "out")


def test_folder_and_second_run(tmp_path: Path, graph: Graph) -> None:
    path = graph.save(tmp_path / "net.onnx")
    artifact = lower(path, LoweringConfig(), tmp_path / "out")
    assert set(artifact.files) == {"dataflow.json", "weights.npz", "lowered.onnx"}
    x = np.random.default_rng(1).normal(0, 1, (9, 12)).astype(np.float32)
    dataflow = Dataflow.load(tmp_path / "out")
    assert dataflow.name == "net"
    assert np.array_equal(dataflow.logits(x), execute(path, x))
    assert np.array_equal(dataflow.logits(x), execute(tmp_path / "out" / "lowered.onnx", x))
    assert lower(path, LoweringConfig(), tmp_path / "out") == artifact
    again = lower(path, LoweringConfig(), tmp_path / "elsewhere")
    assert again.files == artifact.files


def _reference(folder: Path, path: Path, **changes: np.ndarray) -> None:
    x = np.random.default_rng(1).normal(0, 1, (9, 12)).astype(np.float32)
    logits = execute(path, x)
    arrays = {"inputs": x, "logits": logits, "accumulators": logits.astype(np.int32)} | changes
    np.savez(folder / "reference.npz", **arrays)


def test_reference_beside_the_model(tmp_path: Path, graph: Graph) -> None:
    path = graph.save(tmp_path / "net.onnx")
    _reference(tmp_path, path)
    facts = lower_model(path, LoweringConfig()).facts
    assert facts["checks"]["pytorch"] == {"images": 9, "outputs": 27}
    assert facts["checks"]["reference"]["images"] == 9


def test_wrong_reference_is_a_mismatch(tmp_path: Path, graph: Graph) -> None:
    path = graph.save(tmp_path / "net.onnx")
    _reference(tmp_path, path)
    with np.load(tmp_path / "reference.npz") as arrays:
        logits = arrays["logits"]
    logits[4, 2] += 2
    _reference(tmp_path, path, logits=logits)
    with pytest.raises(MismatchError, match="output: channel 2 of image 4 differs from PyTorch"):
        lower_model(path, LoweringConfig())


@pytest.mark.parametrize(
    "content", [b"", b"junk", None], ids=["empty", "junk", "without the arrays"]
)
def test_damaged_reference(tmp_path: Path, graph: Graph, content: bytes | None) -> None:
    path = graph.save(tmp_path / "net.onnx")
    if content is None:
        np.savez(tmp_path / "reference.npz", x=np.zeros(3))
    else:
        (tmp_path / "reference.npz").write_bytes(content)
    with pytest.raises(LoweringError, match=r"reference\.npz.*(inputs and logits|is damaged)"):
        lower_model(path, LoweringConfig())


def test_config_is_checked() -> None:
    with pytest.raises(ConfigError, match="check_images"):
        LoweringConfig(check_images=0)


def test_importing_the_package_is_light() -> None:
    script = (
        "import sys, bnnedge.lowering;"
        "print([m for m in ('onnx', 'onnxruntime', 'qonnx', 'finn', 'torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_finn_leaves_no_litter(tmp_path: Path, graph: Graph) -> None:
    """No settings below the home folder, no environment variables, no build folder, no output."""
    path = graph.save(tmp_path / "net.onnx")
    home = tmp_path / "home"
    home.mkdir()
    script = (
        "import os, sys; from pathlib import Path; before = dict(os.environ);"
        "from bnnedge.lowering import *;"
        f"lower_model(Path({str(path)!r}), LoweringConfig());"
        "assert dict(os.environ) == before"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=home,
        env={"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": ":".join(sys.path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.iterdir()) == []


def test_a_network_is_called_as_the_command_line_says(tmp_path: Path, graph: Graph) -> None:
    path = graph.save(tmp_path / "model.onnx")
    words = ["lower", str(path), "-o", str(tmp_path / "out"), "--name", "mine"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert Dataflow.load(tmp_path / "out").name == "mine"
