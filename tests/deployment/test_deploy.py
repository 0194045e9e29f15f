"""The driver against the real RTL of a network in the real device, on a simulated line."""

import dataclasses
import hashlib
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bnnedge import tools, verbs
from bnnedge.dataflow import Dataflow, IntegerEncoding, ThresholdEncoding
from bnnedge.deployment import LineFaults, deploy
from bnnedge.deployment.runtime import DeviceError, Host, load
from bnnedge.errors import BnnEdgeError, DataflowError, DeploymentError, ToolMissingError
from tests.deployment.conftest import make_package
from tests.deployment.test_accelerator import device_for
from tests.networks import random_mlp
from tests.networks.tables import integer_mlp, integers, pooled_sums, real_inputs

FIRST_IMAGE = 1  # number of the first request's first byte: an `I` comes before


@pytest.mark.parametrize("kind", ["logits_package", "classes_package"])
def test_simulated_board_gives_the_expected_results(
    kind: str, request: pytest.FixtureRequest
) -> None:
    found = deploy(request.getfixturevalue(kind))
    assert (found.device, found.images, found.resent) == ("the simulated board", 24, 0)
    assert found.clocks_per_bit == 8
    assert found.line_s == pytest.approx(24 / found.images_per_s)
    # The line never waits: only filling and emptying the pipeline keeps it from its bound.
    assert 0.8 < found.images_per_s / found.board_images_per_s < 1


@pytest.mark.parametrize("kind", ["pixels_package", "sums_package"])
def test_simulated_board_takes_integers(kind: str, request: pytest.FixtureRequest) -> None:
    found = deploy(request.getfixturevalue(kind))
    assert (found.device, found.images, found.resent) == ("the simulated board", 24, 0)
    assert 0.8 < found.images_per_s / found.board_images_per_s < 1


INTEGER_NETWORKS = {
    "16 bits": integer_mlp(integers(16, signed=True), seed=1),
    "9 bits, classes on the host": dataclasses.replace(
        integer_mlp(integers(9), rows=2, seed=2),
        output=dataclasses.replace(integer_mlp(integers(9), seed=2).output, classes=True),
    ),
    "a class in hardware": pooled_sums(hardware_classes=1, seed=9),
    "classes in hardware": pooled_sums(hardware_classes=4, seed=9),
}


@pytest.mark.parametrize("kind", INTEGER_NETWORKS)
def test_simulated_board_agrees_with_the_dataflow(kind: str, tmp_path: Path) -> None:
    dataflow = INTEGER_NETWORKS[kind]
    inputs = real_inputs(dataflow, 40, seed=5)
    assert len(np.unique(dataflow.run(inputs), axis=0)) > 1
    package = make_package(tmp_path, dataflow, inputs=inputs, target_fps=1e5)
    assert deploy(package).images == 40


@pytest.mark.parametrize("clocks_per_bit", [13, 80])
def test_other_baud_rates_give_the_same(logits_package: Path, clocks_per_bit: int) -> None:
    found = deploy(logits_package, clocks_per_bit=clocks_per_bit, images=6)
    assert (found.images, found.resent, found.clocks_per_bit) == (6, 0, clocks_per_bit)


def test_host_whose_rate_is_off_a_little_gets_the_same(copy: Path) -> None:
    path = copy / "manifest.json"
    record = json.loads(path.read_text())
    record["device"]["baud"] = 3_080_000  # 1.4 % slow, as the nearest divisor may leave it
    path.write_text(json.dumps(record))
    found = deploy(copy)
    assert (found.images, found.resent) == (24, 0)


def frozen(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


@pytest.mark.parametrize(
    "faults",
    [
        LineFaults(dropped_to_device=frozen(0)),
        LineFaults(dropped_to_device=frozen(FIRST_IMAGE)),
        LineFaults(dropped_to_device=frozen(FIRST_IMAGE + 3, FIRST_IMAGE + 70)),
        LineFaults(flipped_to_device=frozen(10 * FIRST_IMAGE + 1)),
        LineFaults(flipped_to_device=frozen(10 * FIRST_IMAGE + 34)),
        LineFaults(flipped_to_device=frozen(10 * FIRST_IMAGE + 39)),  # a stop bit
        LineFaults(flipped_to_device=frozen(*range(105, 6000, 701))),
        LineFaults(dropped_to_host=frozen(4)),
        LineFaults(dropped_to_host=frozen(13, 60)),
        LineFaults(flipped_to_host=frozen(8 * 13 + 2, 8 * 45, 8 * 47 + 7)),
        LineFaults(dropped_to_host=frozenset(range(13, 25))),
    ],
    ids=str,
)
def test_disturbed_line_still_gives_the_expected_results(
    logits_package: Path, faults: LineFaults
) -> None:
    found = deploy(logits_package, faults=faults)
    assert found.images == 24
    quiet = faults.dropped_to_device == {0} or faults.dropped_to_host == {4}
    assert (found.resent == 0) == quiet  # only the question was asked twice


@pytest.mark.parametrize(
    ("faults", "text"),
    [
        (LineFaults(silent=True), "the simulated board does not answer at 3125000 baud"),
        (LineFaults(dropped_to_device=frozenset(range(10_000))), "does not answer"),
        (LineFaults(dropped_to_host=frozenset(range(13, 10_000))), "no result|does not answer"),
        (LineFaults(flipped_to_device=frozenset(range(0, 100_000, 9))), "does not answer"),
    ],
)
def test_dead_line_is_an_error_and_no_hang(
    logits_package: Path, faults: LineFaults, text: str
) -> None:
    with pytest.raises(DeploymentError, match=text):
        deploy(logits_package, faults=faults)


@pytest.fixture
def copy(logits_package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(logits_package, tmp_path / "copy"))


def rewritten(package: Path, name: str, content: bytes) -> None:
    """Replace a file and its hash, as whoever packed the wrong thing would have."""
    (package / name).write_bytes(content)
    path = package / "manifest.json"
    record = json.loads(path.read_text())
    record["files"][name] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(record))


def test_hardware_of_another_network_is_recognised(copy: Path) -> None:
    path = copy / "manifest.json"
    record = json.loads(path.read_text())
    own = record["device"]["id_word"]
    record["device"]["id_word"] = "0x0badcafe"
    path.write_text(json.dumps(record))
    with pytest.raises(
        DeploymentError, match=f"runs another network: wanted id 0x0badcafe .*, got {own}"
    ):
        deploy(copy)


def test_wrong_weight_in_hardware_is_found(copy: Path) -> None:
    names = sorted(p.relative_to(copy).as_posix() for p in (copy / "rtl" / "mem").iterdir())
    name = next(name for name in names if "weight" in name and "/0_" in name)
    text = (copy / name).read_text()
    flipped = text.translate(str.maketrans("0123456789abcdef", "fedcba9876543210"))
    rewritten(copy, name, flipped.encode())
    with pytest.raises(DeploymentError, match=r"example image \d+, element \d+: wanted -?\d+, got"):
        deploy(copy)


@pytest.mark.parametrize(
    "name", ["rtl/sv/bnnedge_core.sv", "rtl/mem/0_mvu0_weights.mem", "device/uart_rx.sv"]
)
def test_hardware_of_others_is_not_compiled(copy: Path, name: str) -> None:
    """Not even where the manifest was changed with it."""
    rewritten(copy, name, (copy / name).read_bytes() + b"\n")
    (copy / "artifact.json").unlink()
    with pytest.raises(BnnEdgeError, match=f"{name} is not what .* or give trust=True"):
        verbs.deploy(copy)


def test_trusted_hardware_is_taken_as_it_is(copy: Path) -> None:
    name = "rtl/mem/0_mvu0_weights.mem"
    rewritten(copy, name, (copy / name).read_bytes() + b"\n")
    (copy / "artifact.json").unlink()
    assert verbs.deploy(copy, images=2, trust=True).images == 2


def test_what_lies_beside_the_hardware_does_not_matter(copy: Path) -> None:
    for name in ("device/stray.sv", "rtl/sv/stray.sv", "rtl/stray.vh", "device/uart_device.v"):
        (copy / name).write_text("`include")
    assert verbs.deploy(copy, images=2).images == 2


def test_wrong_expected_result_names_its_image(copy: Path) -> None:
    path = copy / "example" / "expected.npy"
    expected = np.load(path)
    expected[17, 2] += 2
    np.save(path, expected)
    rewritten(copy, "example/expected.npy", path.read_bytes())
    with pytest.raises(DeploymentError, match=r"image 17, element 2: .*\(1 of 24 images differ\)"):
        deploy(copy)


@pytest.mark.parametrize(
    "name", ["rtl/sv/bnnedge_core.sv", "example/inputs.npy", "network.bit", "device/uart_rx.sv"]
)
def test_altered_package_is_refused(copy: Path, name: str) -> None:
    path = copy / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DeploymentError, match=f"{path.name} is truncated or was altered"):
        deploy(copy)


def test_other_driver_is_refused(copy: Path) -> None:
    source = (copy / "bnnedge_runtime" / "link.py").read_bytes()
    rewritten(copy, "bnnedge_runtime/link.py", source + b"# older\n")
    with pytest.raises(DeploymentError, match="its driver is not the one of this bnnedge"):
        deploy(copy)


def test_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="manifest.json is not a readable manifest"):
        deploy(tmp_path)


def test_missing_loader_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissingError, match="openFPGALoader"):
        deploy(copy, port="/dev/no-such-port", program=True)


def test_loader_gets_board_and_bitstream(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []

    def run(argv: list[object], **options: object) -> None:
        words.extend(map(str, argv))
        assert Path(words[-1]).read_bytes() == (copy / "network.bit").read_bytes()

    monkeypatch.setattr(tools, "find", lambda name: Path(name))
    monkeypatch.setattr(tools, "run", run)
    with pytest.raises(DeploymentError, match="cannot open /dev/no-such-port"):
        deploy(copy, port="/dev/no-such-port", program=True)
    assert words[:3] == ["openFPGALoader", "-b", "ulx3s"]


class Terminal:
    """A device in Python at the far end of a pseudo-terminal: a real serial port to pyserial."""

    def __init__(self, package: Path) -> None:
        self.device = device_for(package)
        self.ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self.name = os.ttyname(theirs)
        self._theirs = theirs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if select.select([self.ours], [], [], 0.02)[0]:
                self.device.write(os.read(self.ours, 4096))
            while data := self.device.read(4096):
                os.write(self.ours, data)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self.ours)
        os.close(self._theirs)


@pytest.fixture
def terminal(logits_package: Path) -> Iterator[Terminal]:
    terminal = Terminal(logits_package)
    yield terminal
    terminal.close()


def test_serial_port_is_driven_through_pyserial(logits_package: Path, terminal: Terminal) -> None:
    found = deploy(logits_package, port=terminal.name)
    assert (found.device, found.images, found.cycles) == (terminal.name, 24, None)
    assert found.quiet_ms == 50.0


def test_board_that_is_unplugged_is_named(logits_package: Path) -> None:
    terminal = Terminal(logits_package)
    with load(logits_package, port=terminal.name) as accelerator:
        terminal.close()
        with pytest.raises(DeviceError, match=f"{terminal.name} is gone: "):
            accelerator.execute(np.ones((3, 19)))


@pytest.mark.parametrize("images", [0, -3])
def test_comparing_no_image_is_refused(logits_package: Path, images: int) -> None:
    with pytest.raises(DeploymentError, match="wanted at least one image to compare"):
        deploy(logits_package, images=images)


def standalone(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python in the package folder, where bnnedge itself must not be imported."""
    code = (
        "import runpy, sys; sys.modules['bnnedge'] = None; sys.path.insert(0, '.');"
        "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=package,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("kind", ["logits_package", "pixels_package"])
def test_packaged_driver_runs_by_itself(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    package = request.getfixturevalue(kind)
    terminal = Terminal(package)
    request.addfinalizer(terminal.close)
    outputs = tmp_path / "y.npy"
    words = ["--port", terminal.name, "--inputs", "example/inputs.npy", "--outputs", str(outputs)]
    done = standalone(package, "bnnedge_runtime", *words, "--throughput", "20")
    assert (done.returncode, done.stderr) == (0, "")
    assert "20 images in" in done.stdout
    assert (np.load(outputs) == np.load(package / "example" / "expected.npy")).all()
    done = standalone(package, "bnnedge_runtime.validate", "--port", terminal.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "24 of 24 example images equal\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "error: cannot open /dev/no-such-port"),
        (["--inputs", "missing.npy", "--outputs", "y.npy"], "error: cannot read missing.npy"),
        (["--inputs", "manifest.json", "--outputs", "y.npy"], "error: cannot read manifest.json"),
    ],
)
def test_packaged_driver_says_errors_in_one_line(
    logits_package: Path, words: list[str], text: str
) -> None:
    done = standalone(logits_package, "bnnedge_runtime", "--port", "/dev/no-such-port", *words)
    assert done.returncode == 1
    assert done.stderr.startswith(text)
    assert done.stderr.count("\n") == 1


def test_thermometer_on_images_end_to_end(tmp_path: Path) -> None:
    dataflow = random_mlp((48, 16, 10), seed=7)
    random = np.random.default_rng(7)
    assert isinstance(dataflow.input, ThresholdEncoding)
    encoding = dataclasses.replace(
        dataflow.input,
        input_shape=(4, 4),
        source=np.repeat(np.arange(16), 3),
        threshold=np.tile(np.array([4, 8, 12], np.float32), 16),
    )
    inputs = random.integers(0, 17, (24, 4, 4)).astype(np.float32)
    package = make_package(tmp_path, dataclasses.replace(dataflow, input=encoding), inputs=inputs)
    assert deploy(package).images == 24
    assert Host.load(package).manifest.input_bytes == 8


def test_damaged_pixels_are_found(pixels_package: Path, tmp_path: Path) -> None:
    """A step of the input's quantiser moved by one, as another bnnedge might have lowered it."""
    package = Path(shutil.copytree(pixels_package, tmp_path / "copy"))
    dataflow = Dataflow.load(package / "dataflow")
    assert isinstance(dataflow.input, IntegerEncoding)
    shifted = dataclasses.replace(dataflow.input, steps=dataflow.input.steps + 1)
    dataclasses.replace(dataflow, input=shifted).save(package / "dataflow")
    with pytest.raises(DeploymentError, match=r"dataflow.json is truncated or was altered"):
        deploy(package)
    for name in ("dataflow/dataflow.json", "dataflow/weights.npz"):
        rewritten(package, name, (package / name).read_bytes())
    with pytest.raises(DeploymentError, match=r"example image \d+, element \d+: wanted"):
        deploy(package)


def test_damaged_dataflow_is_refused_by_both(copy: Path) -> None:
    path = copy / "dataflow" / "dataflow.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DeploymentError, match="dataflow.json is truncated or was altered"):
        deploy(copy)
    with pytest.raises(DataflowError):
        Dataflow.load(path.parent)
