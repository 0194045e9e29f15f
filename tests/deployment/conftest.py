"""Packages of tiny networks, made once."""

from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.deployment import package
from bnnedge.design import Design
from bnnedge.hardware import RtlConfig, emit
from bnnedge.links import AxiDevice, UartDevice
from tests.networks import random_conv, random_inputs, random_mlp
from tests.networks.tables import real_inputs, sums_of_integers


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in a package leaves nothing there: tests share packages."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def make_synthesis(folder: Path, id_word: int) -> Path:
    """A synthesis folder with a stand-in for the bitstream."""
    folder.mkdir()
    (folder / "network.bit").write_bytes(b"not a real bitstream")
    device = UartDevice(
        board="ulx3s-85f",
        loader_board="ulx3s",
        clock_hz=25_000_000,
        clocks_per_bit=8,
        baud=3_125_000,
        quiet_ms=50.0,
        window=4,
        id_word=id_word,
    )
    device.save(folder)
    return folder


def make_package(
    folder: Path,
    dataflow: Dataflow,
    *,
    inputs: NDArray[Any] | None = None,
    target_fps: float = 1e6,
) -> Path:
    """Emit and pack `dataflow` below `folder`."""
    (folder / "dataflow").mkdir(parents=True)
    dataflow.save(folder / "dataflow")
    rtl = emit(folder / "dataflow", RtlConfig(target_fps=target_fps), folder / "rtl").folder
    synth = make_synthesis(folder / "synth", Design.load(rtl).id_word)
    inputs = random_inputs(dataflow, 24) if inputs is None else inputs
    return package(rtl, synth, folder / "package", inputs=inputs).folder


def make_pynq_package(
    folder: Path,
    dataflow: Dataflow,
    *,
    inputs: NDArray[Any] | None = None,
    target_fps: float = 1e6,
    bitstream: bool = True,
) -> Path:
    """Emit and pack `dataflow` for a Zynq, with stand-ins for what Vivado makes."""
    (folder / "dataflow").mkdir(parents=True)
    dataflow.save(folder / "dataflow")
    rtl = emit(folder / "dataflow", RtlConfig(target_fps=target_fps), folder / "rtl").folder
    output = folder / "synth" / "vivado" / "output"
    output.mkdir(parents=True)
    if bitstream:
        (output / "network.bit").write_bytes(b"not a real bitstream")
        (output / "network.hwh").write_text("<not a real handoff/>")
    device = AxiDevice(board="pynq-z2", clock_hz=100_000_000, id_word=Design.load(rtl).id_word)
    device.save(folder / "synth")
    inputs = random_inputs(dataflow, 24) if inputs is None else inputs
    return package(rtl, folder / "synth", folder / "package", inputs=inputs).folder


@pytest.fixture(scope="session")
def pynq_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that ends in accumulators, for a PYNQ board."""
    return make_pynq_package(tmp_path_factory.mktemp("pynq"), random_mlp((70, 12, 5), seed=3))


@pytest.fixture(scope="session")
def logits_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that ends in accumulators."""
    return make_package(tmp_path_factory.mktemp("logits"), random_mlp((19, 12, 5), seed=3))


@pytest.fixture(scope="session")
def classes_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose class is found in hardware."""
    dataflow = random_mlp((19, 12, 5), seed=4, classes=True)
    return make_package(tmp_path_factory.mktemp("classes"), dataflow)


@pytest.fixture(scope="session")
def pixels_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolutional network on 8-bit pixels."""
    dataflow = random_conv()
    folder = tmp_path_factory.mktemp("pixels")
    return make_package(folder, dataflow, inputs=real_inputs(dataflow, 24), target_fps=1e5)


@pytest.fixture(scope="session")
def sums_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of one layer on signed 4-bit inputs, whose accumulators lie 1 apart."""
    dataflow = sums_of_integers()
    folder = tmp_path_factory.mktemp("sums")
    return make_package(folder, dataflow, inputs=real_inputs(dataflow, 24))
