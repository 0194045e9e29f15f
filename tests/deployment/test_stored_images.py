"""A device that holds images, through the packaged driver: its counters, and what goes wrong."""

import dataclasses
import json
import shutil
import struct
from pathlib import Path

import pytest

from bnnedge.dataflow import Dataflow
from bnnedge.deployment import deploy, package
from bnnedge.deployment.runtime import DeviceError, InputError, SerialManifest
from bnnedge.deployment.runtime.host import Host
from bnnedge.design import Design
from bnnedge.errors import DeploymentError
from bnnedge.hardware import RtlConfig, emit
from bnnedge.links import UartDevice, load_device
from bnnedge.links.simulated_serial import LineFaults
from tests.deployment.conftest import make_synthesis
from tests.deployment.fake_device import FakeDevice, framed
from tests.deployment.test_accelerator import device_for, opened
from tests.deployment.test_deploy import Terminal, rewritten, standalone
from tests.networks import random_inputs, random_mlp

STORED = 5
RESULTS = "device/stored_results.mem"
IDENTITY_BYTES = 13


def make_storing_package(folder: Path, dataflow: Dataflow) -> Path:
    (folder / "dataflow").mkdir(parents=True)
    dataflow.save(folder / "dataflow")
    rtl = emit(folder / "dataflow", RtlConfig(target_fps=1e6), folder / "rtl").folder
    design = Design.load(rtl)
    synth = make_synthesis(folder / "synth", design.id_word)
    device = load_device(synth).with_store(STORED)
    device.save(synth)
    for name, text in device.memory_texts(design, dataflow).items():
        (synth / name).write_text(text)
    return package(rtl, synth, folder / "package", inputs=random_inputs(dataflow, 4)).folder


@pytest.fixture(scope="session")
def storing_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_storing_package(tmp_path_factory.mktemp("storing"), random_mlp((19, 12, 5), seed=3))


@pytest.fixture
def copy(storing_package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(storing_package, tmp_path / "copy"))


def interval(folder: Path) -> int:
    return Host.load(folder).manifest.interval_cycles


def test_rate_of_the_network_is_measured(storing_package: Path) -> None:
    found = deploy(storing_package)
    assert found.images == 4 and found.measured is not None
    rounds = min(256, 100_000 // (STORED * interval(storing_package)))
    assert (found.measured.images, found.measured.wrong_words) == (STORED * rounds, 0)
    assert found.measured.cycles_per_image == interval(storing_package)
    assert found.measured.images_per_s == 25e6 / interval(storing_package)
    assert "(as predicted)" in found.measured.line("board")
    slower = dataclasses.replace(found.measured, predicted_cycles=1)
    assert "(predicted 1)" in slower.line("board")


def test_wrong_stored_result_is_found(copy: Path) -> None:
    lines = (copy / RESULTS).read_text().splitlines()
    lines[-1] = f"{int(lines[-1], 16) ^ 1:0{len(lines[-1])}x}"
    rewritten(copy, RESULTS, ("\n".join(lines) + "\n").encode())
    rounds = min(256, 100_000 // (STORED * interval(copy)))
    with pytest.raises(DeploymentError, match=f"got {STORED * rounds} with {rounds} wrong words"):
        deploy(copy)


def test_damaged_report_is_asked_for_again(storing_package: Path) -> None:
    result_bytes = 4 + Host.load(storing_package).manifest.output_bytes
    damaged = frozenset({IDENTITY_BYTES + result_bytes + 9})
    found = deploy(storing_package, images=1, faults=LineFaults(dropped_to_host=damaged))
    assert found.measured is not None and found.measured.wrong_words == 0


class Storing(FakeDevice):
    """Answers `M` with what it is told to have counted; with nothing, not at all."""

    report: tuple[int, ...] = ()

    def write(self, data: bytes) -> int:
        if data[:1] != b"M":
            return super().write(data)
        assert framed(data[:2]) == data
        if self.report:
            self._send(struct.pack("<cBIIII", b"m", data[1], *self.report))
        return len(data)


def storing(folder: Path, *report: int) -> Storing:
    plain = device_for(folder)
    device = Storing(plain.manifest, plain.compute)
    device.report = report
    return device


def test_report_that_never_comes_is_named(storing_package: Path) -> None:
    accelerator = opened(storing_package, storing(storing_package))
    with pytest.raises(DeviceError, match="no report in 4 attempts: wanted 1 bytes within"):
        accelerator.measure()


@pytest.mark.parametrize("report", [(14, 0, 9, 99), (15, 2, 9, 99)])
def test_missing_and_wrong_results_are_named(
    storing_package: Path, report: tuple[int, ...]
) -> None:
    accelerator = opened(storing_package, storing(storing_package, *report))
    text = f"wanted 15 right results .*, got {report[0]} with {report[1]} wrong words"
    with pytest.raises(DeviceError, match=text):
        accelerator.measure(3)


def test_packaged_driver_measures_by_itself(
    storing_package: Path, logits_package: Path, request: pytest.FixtureRequest
) -> None:
    terminal = Terminal(storing_package)
    request.addfinalizer(terminal.close)
    terminal.device = storing(storing_package, 15, 0, 100, 100 + 14 * 20)
    words = ["bnnedge_runtime", "--port", terminal.name, "--measure", "3"]
    done = standalone(storing_package, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "15 images that the device holds, all right: 20 cycles each" in done.stdout
    assert f"(predicted {interval(storing_package)}), 1250000.0 images/s" in done.stdout
    done = standalone(logits_package, *words)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "error: the device holds no images; see bnnedge synth --store" in done.stderr


def test_rounds_are_within_bounds(storing_package: Path) -> None:
    accelerator = opened(storing_package, device_for(storing_package))
    for rounds in (0, 257):
        with pytest.raises(InputError, match=f"wanted 1 to 256 rounds, got {rounds}"):
            accelerator.measure(rounds)


def test_device_without_images_measures_nothing(logits_package: Path) -> None:
    manifest = Host.load(logits_package).manifest
    assert isinstance(manifest, SerialManifest) and manifest.stored_images == 0
    assert "stored_images" not in json.loads((logits_package / "manifest.json").read_text())
    assert opened(logits_package, device_for(logits_package)).measure() is None
    assert deploy(logits_package, images=1).measured is None


def test_package_says_how_to_measure(storing_package: Path, logits_package: Path) -> None:
    assert "--measure 256" in (storing_package / "README.txt").read_text()
    assert "--measure" not in (logits_package / "README.txt").read_text()
    assert "--measure" in standalone(storing_package, "bnnedge_runtime", "--help").stdout


def test_record_of_a_device_without_images_is_as_it_was(tmp_path: Path) -> None:
    make_synthesis(tmp_path / "synth", 7)
    path = tmp_path / "synth" / "device.json"
    assert "stored_images" not in json.loads(path.read_text())
    device = load_device(tmp_path / "synth")
    assert isinstance(device, UartDevice) and device.stored_images is None
