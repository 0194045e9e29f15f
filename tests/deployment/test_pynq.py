"""The driver of PYNQ boards against the real RTL of a network, its registers and its DMA."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.deployment import deploy
from bnnedge.deployment.runtime import (
    AxiAccelerator,
    DeviceError,
    Host,
    InputError,
    PackageError,
    load,
)
from bnnedge.deployment.runtime.axi import Register
from bnnedge.deployment.simulated import open_simulated
from bnnedge.errors import DeploymentError
from bnnedge.links.simulated_pynq import SimulatedPynq
from bnnedge.verilated.axi import AxiTraffic
from tests.deployment.conftest import make_pynq_package
from tests.networks import random_conv, random_inputs, random_mlp, random_residual
from tests.networks.tables import pooled_sums, real_inputs


@pytest.fixture
def board(pynq_package: Path) -> Iterator[tuple[AxiAccelerator, SimulatedPynq]]:
    with open_simulated(pynq_package, Host.load(pynq_package), batch_size=8) as opened:
        yield opened


@pytest.fixture
def accelerator(board: tuple[AxiAccelerator, SimulatedPynq]) -> AxiAccelerator:
    return board[0]


@pytest.fixture(scope="session")
def dataflow(pynq_package: Path) -> Dataflow:
    return Dataflow.load(pynq_package / "dataflow")


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 37])
def test_batches_of_any_size_give_the_dataflows_results(
    accelerator: AxiAccelerator, dataflow: Dataflow, count: int
) -> None:
    batch = random_inputs(dataflow, count, seed=count)
    results = accelerator.execute(batch)
    assert results.dtype == np.int64 and results.shape == (count, 5)
    assert (results == dataflow.run(batch)).all()
    assert (accelerator.logits(batch) == dataflow.logits(batch)).all()
    assert accelerator.counters()["images_out"] == 2 * count


@pytest.mark.parametrize(
    "traffic",
    [
        AxiTraffic(stall=0.4, seed=5),
        AxiTraffic(burst_beats=2, pause_clocks=30, seed=6),
        AxiTraffic(stall=0.8, burst_beats=1, pause_clocks=3, seed=7),
    ],
    ids=str,
)
def test_slow_memory_changes_nothing_but_time(pynq_package: Path, traffic: AxiTraffic) -> None:
    found = deploy(pynq_package, traffic=traffic)
    assert (found.device, found.images, found.resent) == ("the simulated board", 24, None)
    assert 0 < found.images_per_s < found.board_images_per_s


OTHERS: dict[str, tuple[Dataflow, Callable[[Dataflow, int], NDArray[Any]]]] = {
    "pixels": (random_conv(seed=1), real_inputs),
    "classes in hardware": (pooled_sums(hardware_classes=4, seed=9), real_inputs),
    "residual": (random_residual(seed=2), real_inputs),
    "a class": (random_mlp((19, 12, 5), seed=4, classes=True), random_inputs),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_networks_give_the_dataflows_results(kind: str, tmp_path: Path) -> None:
    network, inputs_of = OTHERS[kind]
    batch = inputs_of(network, 40)
    package = make_pynq_package(tmp_path, network, inputs=batch[:3], target_fps=1e5)
    with open_simulated(package, Host.load(package), batch_size=16) as (accelerator, _):
        results = accelerator.execute(batch)
        assert np.array_equal(results, network.run(batch))
        assert accelerator.oshape_normal() == (16, *results.shape[1:])
        assert accelerator.ishape_normal() == (16, *batch.shape[1:])
    assert deploy(package).images == 3


def test_batch_size_can_be_changed_again_and_again(
    board: tuple[AxiAccelerator, SimulatedPynq], dataflow: Dataflow
) -> None:
    accelerator, simulated = board
    batch = random_inputs(dataflow, 50)
    for size in (1, 100, 3, 50, 8):
        accelerator.batch_size = size
        shapes = (accelerator.ishape_packed(), accelerator.oshape_packed())
        assert shapes == ((size, 12), (size, 8))
        assert (accelerator.execute(batch) == dataflow.run(batch)).all()
    assert len(simulated._used) == 4  # the other buffers were given back
    for size in (0, -1):
        with pytest.raises(InputError, match=f"batch_size: wanted 1 or more, got {size}"):
            accelerator.batch_size = size
    with pytest.raises(InputError, match="more than the DMA moves at a time .*; take at most 5592"):
        accelerator.batch_size = 10_000_000
    assert accelerator.batch_size == 8


def test_batch_without_memory_leaves_the_old_one(
    accelerator: AxiAccelerator, dataflow: Dataflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    allocate = accelerator._allocate

    def little(shape: tuple[int, ...], **options: Any) -> Any:
        if shape[0] > 8:
            raise RuntimeError("Failed to allocate Memory!")
        return allocate(shape, **options)

    monkeypatch.setattr(accelerator, "_allocate", little)
    with pytest.raises(InputError, match="no memory for buffers of 9 images .Failed to allocate"):
        accelerator.batch_size = 9
    assert accelerator.ishape_packed() == (8, 12)
    batch = random_inputs(dataflow, 20)
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()


def test_steps_of_finns_driver_make_execute(
    accelerator: AxiAccelerator, dataflow: Dataflow
) -> None:
    batch = random_inputs(dataflow, 8)
    folded = accelerator.fold_input(batch)
    assert folded.shape == accelerator.ishape_folded() == (8, 70)
    packed = accelerator.pack_input(folded)
    assert packed.shape == accelerator.ishape_packed()
    accelerator.copy_input_data_to_device(packed)
    accelerator.execute_on_buffers(asynch=True)
    with pytest.raises(InputError, match="a transfer is running"):
        accelerator.execute_on_buffers()
    with pytest.raises(InputError, match="a transfer is running"):
        accelerator.batch_size = 3
    accelerator.wait_until_finished()
    accelerator.copy_output_data_from_device(accelerator.obuf_packed)
    elements = accelerator.unpack_output(accelerator.obuf_packed)
    assert elements.shape == accelerator.oshape_folded()
    assert (accelerator.unfold_output(elements) == dataflow.run(batch)).all()


def test_part_of_the_buffers_can_be_run(accelerator: AxiAccelerator, dataflow: Dataflow) -> None:
    batch = random_inputs(dataflow, 3)
    accelerator.copy_input_data_to_device(accelerator.pack_input(accelerator.fold_input(batch)))
    accelerator.execute_on_buffers(batch_size=3)
    results = np.empty((3, 8), np.uint8)
    accelerator.copy_output_data_from_device(results)
    assert (accelerator.unpack_output(results) == dataflow.run(batch)).all()
    for wrong in (0, 9):
        with pytest.raises(InputError, match=f"wanted 1 to 8, got {wrong}"):
            accelerator.execute_on_buffers(batch_size=wrong)


def test_throughput_has_the_names_of_finns_driver(accelerator: AxiAccelerator) -> None:
    found = accelerator.throughput_test()
    assert list(found) == [
        "runtime[ms]",
        "throughput[images/s]",
        "DRAM_in_bandwidth[MB/s]",
        "DRAM_out_bandwidth[MB/s]",
        "fclk[mhz]",
        "batch_size",
        "fold_input[ms]",
        "pack_input[ms]",
        "copy_input_data_to_device[ms]",
        "copy_output_data_from_device[ms]",
        "unpack_output[ms]",
        "unfold_output[ms]",
    ]
    assert (found["fclk[mhz]"], found["batch_size"]) == (100.0, 8)
    # On the simulated clock: a batch's images behind each other, and what a transfer costs.
    rate = found["throughput[images/s]"]
    assert 0.2 < rate / accelerator.manifest.bound_images_per_s < 1
    assert found["DRAM_in_bandwidth[MB/s]"] == pytest.approx(12 * rate / 1e6)
    assert found["runtime[ms]"] == pytest.approx(8000 / rate)


def test_next_batch_is_packed_while_the_device_works(
    accelerator: AxiAccelerator, dataflow: Dataflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = []
    pack = accelerator.pack_input

    def watched(elements: NDArray[Any]) -> NDArray[np.uint8]:
        running.append(not accelerator._dma.recvchannel.idle)
        return pack(elements)

    monkeypatch.setattr(accelerator, "pack_input", watched)
    accelerator.execute(random_inputs(dataflow, 30))
    assert running[1:] == [True, True, True]


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (np.zeros((3, 69)), r"wanted shape \(N, 70\), got \(3, 69\)"),
        (np.zeros(70), r"wanted shape \(N, 70\), got \(70,\)"),
        (np.zeros((2, 70), complex), "wanted real numbers, got dtype complex128"),
        (np.full((2, 70), "1"), "wanted real numbers, got dtype <U1"),
        (np.repeat([0.0, np.nan], 20)[:, None] * np.ones(70), "hold NaN"),
    ],
)
def test_bad_batches_are_refused_and_leave_no_trace(
    accelerator: AxiAccelerator, dataflow: Dataflow, batch: NDArray[Any], text: str
) -> None:
    with pytest.raises(InputError, match=text):
        accelerator.execute(batch)
    good = random_inputs(dataflow, 20)
    assert (accelerator.execute(good) == dataflow.run(good)).all()


@pytest.mark.parametrize("reads", [0, 1, 5, 20, 60])
def test_reset_in_mid_stream_leaves_no_trace(
    accelerator: AxiAccelerator, dataflow: Dataflow, reads: int
) -> None:
    accelerator.copy_input_data_to_device(np.full((8, 12), 0xA5, np.uint8))
    accelerator.execute_on_buffers(asynch=True)
    for _ in range(reads):
        accelerator.counters()
    accelerator.reset()
    assert accelerator.counters() == {"images_in": 0, "images_out": 0, "cycles": 0}
    batch = random_inputs(dataflow, 20)
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()


@pytest.mark.parametrize(
    ("traffic", "text"),
    [
        (AxiTraffic(send_beats=11), "wanted 8 results, got 3 from 3 images: no end in sight"),
        (AxiTraffic(send_beats=0), "wanted 8 results, got 0 from 0 images: no end in sight"),
        (AxiTraffic(receive_beats=5), "wanted 8 results, got 2 from [3-8] images: no end in sight"),
        (AxiTraffic(lost_bytes=1), r"an image came truncated \(frame error\)"),
        (AxiTraffic(lost_bytes=4), r"an image came truncated \(frame error\)"),
        (AxiTraffic(lost_bytes=12), "wanted 8 results, got 7 from 7 images: no end in sight"),
    ],
    ids=str,
)
def test_stuck_or_short_transfer_is_an_error_and_no_hang(
    pynq_package: Path, dataflow: Dataflow, traffic: AxiTraffic, text: str
) -> None:
    host = Host.load(pynq_package)
    with open_simulated(pynq_package, host, traffic, batch_size=8) as (accelerator, board):
        with pytest.raises(DeviceError, match=text + "; the device was reset"):
            accelerator.execute(random_inputs(dataflow, 8))
        assert board.cycles < 100_000
        assert accelerator.counters() == {"images_in": 0, "images_out": 0, "cycles": 0}
    with pytest.raises(DeploymentError, match="the device was reset"):
        deploy(pynq_package, traffic=traffic)


@pytest.mark.parametrize(
    ("images", "text"), [(4, "got 32"), (16, "the DMA failed writing results")]
)
def test_tlast_in_the_wrong_place_is_an_error(
    accelerator: AxiAccelerator, dataflow: Dataflow, images: int, text: str
) -> None:
    write = accelerator._device.write

    def meddled(address: int, value: int) -> None:
        write(address, images if address == Register.IMAGES else value)

    accelerator._device.write = meddled
    batch = random_inputs(dataflow, 8)
    with pytest.raises(DeviceError, match=text):
        accelerator.execute(batch)
    accelerator._device.write = write
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()


def test_dma_error_is_told(accelerator: AxiAccelerator, dataflow: Dataflow) -> None:
    batch = random_inputs(dataflow, 8)
    for inputs, outputs in accelerator._buffers:
        inputs.physical_address, outputs.physical_address = 16, outputs.physical_address
    with pytest.raises(DeviceError, match="the DMA failed reading images from memory"):
        accelerator.execute(batch)
    accelerator.batch_size = 8
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()


def altered(package: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    copy = Path(shutil.copytree(package, target))
    path = copy / "manifest.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    return copy


@pytest.mark.parametrize(
    ("section", "key", "value", "text"),
    [
        ("device", "id_word", "0x0badcafe", "runs another network: wanted id 0x0badcafe"),
        ("device", "map_version", "0x00000002", "wanted register map 0x00000002, got 0x424e4e01"),
        ("input", "bytes", 16, "wanted 16 bytes per image and 8 per result, got 12 and 8"),
    ],
)
def test_bitstream_of_another_network_is_refused(
    pynq_package: Path, tmp_path: Path, section: str, key: str, value: object, text: str
) -> None:
    def change(record: dict[str, Any]) -> None:
        record[section][key] = value

    package = altered(pynq_package, tmp_path / "package", change)
    with pytest.raises(DeploymentError, match=f"{text}.*is not this package's bitstream"):
        deploy(package)


@pytest.mark.parametrize(("nearest_mhz", "runs"), [(66.7, True), (100.05, True), (106.7, False)])
def test_clock_that_the_bitstream_was_not_timed_for_is_refused(
    board: tuple[AxiAccelerator, SimulatedPynq],
    pynq_package: Path,
    nearest_mhz: float,
    runs: bool,
) -> None:
    class Clocks:
        @property
        def fclk0_mhz(self) -> float:
            return nearest_mhz

        @fclk0_mhz.setter
        def fclk0_mhz(self, mhz: float) -> None:
            assert mhz == 100

    pynq = SimpleNamespace(Overlay=board[1].Overlay, allocate=board[1].allocate, Clocks=Clocks())
    host = Host.load(pynq_package)
    bitfile = pynq_package / host.manifest.bitstream
    if runs:
        AxiAccelerator(host, pynq, bitfile, batch_size=8)
        return
    with pytest.raises(DeviceError, match="timed for 100 MHz, the nearest .* is 106.7 MHz"):
        AxiAccelerator(host, pynq, bitfile, batch_size=8)


def test_overlay_without_the_device_is_refused(pynq_package: Path) -> None:
    class Empty:
        allocate = Clocks = None

        @staticmethod
        def Overlay(bitfile: str) -> object:  # noqa: N802
            if not Path(bitfile).is_file():
                raise OSError(f"{bitfile} does not exist")
            return object()

    host = Host.load(pynq_package)
    for name, text in (("random.bit", "AttributeError.*axi_dma_0"), ("no.bit", "does not exist")):
        with pytest.raises(DeviceError, match=f"cannot be used .*{text}.*is it the bitstream of"):
            AxiAccelerator(host, Empty, pynq_package / "bitfile" / name)


def test_ports_and_boards_are_not_mixed_up(pynq_package: Path, logits_package: Path) -> None:
    for program in (False, True):
        with pytest.raises(DeploymentError, match="pynq-z2, which runs it without a serial port"):
            deploy(pynq_package, port="/dev/ttyUSB0", program=program)
    with pytest.raises(DeviceError, match="ulx3s-85f: name its serial port"):
        load(logits_package)


def test_board_needs_pynq_and_its_files(pynq_package: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="pynq is not installed .* run this on the board"):
        load(pynq_package)
    copy = Path(shutil.copytree(pynq_package, tmp_path / "package"))
    (copy / "bitfile" / "random.hwh").unlink()
    with pytest.raises(PackageError, match="random.hwh is missing; Vivado makes it"):
        load(copy)


@pytest.mark.parametrize("name", ["dataflow/weights.npz", "example/inputs.npy", "rtl/design.json"])
def test_truncated_files_are_noticed(pynq_package: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(pynq_package, tmp_path / "package"))
    (copy / name).write_bytes((copy / name).read_bytes()[:-100])
    with pytest.raises(DeploymentError, match=f"{name} is truncated or was altered"):
        deploy(copy)


@pytest.mark.parametrize("where", ["recvchannel", "sendchannel"])
def test_interrupted_transfer_is_reset(
    pynq_package: Path, dataflow: Dataflow, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """No DMA goes on writing into buffers that are given back."""
    batch = random_inputs(dataflow, 8)
    with open_simulated(pynq_package, Host.load(pynq_package), batch_size=8) as (accelerator, _):

        def interrupt(*arguments: object) -> None:
            raise KeyboardInterrupt

        channel = getattr(accelerator._dma, where)
        monkeypatch.setattr(channel, "transfer", interrupt)
        with pytest.raises(KeyboardInterrupt):
            accelerator.execute(batch)
        monkeypatch.undo()
        accelerator.close()
        assert not accelerator._dma.recvchannel._mmio.read(0x34) & 2  # fresh: not yet idle
        accelerator.batch_size = 8
        assert (accelerator.execute(batch) == dataflow.run(batch)).all()


@pytest.mark.parametrize(("where", "call"), [("sendchannel", "transfer"), ("recvchannel", "wait")])
def test_error_of_pynqs_dma_is_told(
    accelerator: AxiAccelerator,
    dataflow: Dataflow,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    call: str,
) -> None:
    batch = random_inputs(dataflow, 8)

    def fail(*arguments: object) -> None:
        raise RuntimeError("DMA channel not idle")

    monkeypatch.setattr(getattr(accelerator._dma, where), call, fail)
    with pytest.raises(DeviceError, match="DMA channel not idle; the device was reset"):
        accelerator.execute(batch)
    monkeypatch.undo()
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()


def test_results_that_the_network_cannot_give_are_refused(
    accelerator: AxiAccelerator, dataflow: Dataflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = random_inputs(dataflow, 8)
    take, changes = accelerator._take, {"value": (0, 13), "padding": (7, 1), "range": (4, 14)}
    for place, value in changes.values():

        def lie(
            pair: int, received: NDArray[np.uint8], place: int = place, value: int = value
        ) -> None:
            take(pair, received)
            received[3, place] = value

        monkeypatch.setattr(accelerator, "_take", lie)
        for call in (accelerator.execute, accelerator.logits):
            with pytest.raises(DeviceError, match="wanted (an accumulator from|zeros behind)"):
                call(batch)
        accelerator.obuf_packed[:] = 0
        accelerator.obuf_packed[2, place] = value
        with pytest.raises(DeviceError, match="wanted (an accumulator from|zeros behind)"):
            accelerator.unpack_output(accelerator.obuf_packed)
    elements = np.zeros((2, 5), np.int64)
    elements[1, 2] = 1
    with pytest.raises(DeviceError, match="image 1, result 2: wanted an accumulator from -12 to"):
        accelerator.unfold_output(elements)
    monkeypatch.undo()
    assert (accelerator.execute(batch) == dataflow.run(batch)).all()
