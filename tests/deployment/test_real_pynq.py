"""PYNQ's own classes for DMA and registers on the simulated board's registers.

Its buffers are not here: PYNQ 4.0.0's cannot be made with numpy 2.
"""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from bnnedge.dataflow import Dataflow
from bnnedge.deployment.runtime import AxiAccelerator, DeviceError, Host, Manifest
from bnnedge.deployment.runtime.axi import DEVICE_NAME, DMA_NAME
from bnnedge.deployment.simulated import simulated_board
from bnnedge.links.simulated_pynq import SimulatedPynq
from bnnedge.verilated.axi import AxiTraffic
from tests.networks import random_inputs

pynq = pytest.importorskip("pynq", reason="pynq is not installed")
dma = pytest.importorskip("pynq.lib.dma", reason="pynq is not installed")

DEVICE_AT, DMA_AT = 0x4001_0000, 0x4000_0000
DMA_PARAMETERS = {
    "c_include_sg": "0",
    "c_sg_length_width": "26",
    "c_include_mm2s": "1",
    "c_m_axi_mm2s_data_width": "64",
    "c_include_s2mm": "1",
    "c_m_axi_s2mm_data_width": "64",
}


class SimulatedDevice:
    """A `pynq.pl_server.Device` whose registers are the simulated board's."""

    def __init__(self, board: SimulatedPynq) -> None:
        self._model = board._model

    def has_capability(self, name: str) -> bool:
        return name == "REGISTER_RW"

    def read_registers(self, address: int, length: int) -> bytes:
        assert length == 4
        if address >= DEVICE_AT:
            return self._model.read(address - DEVICE_AT).to_bytes(4, "little")
        return self._model.dma_read(address - DMA_AT).to_bytes(4, "little")

    def write_registers(self, address: int, data: bytes) -> None:
        value = int.from_bytes(data, "little")
        if address >= DEVICE_AT:
            self._model.write(address - DEVICE_AT, value)
        else:
            self._model.dma_write(address - DMA_AT, value)


def simulated(package: Path, traffic: AxiTraffic | None) -> SimulatedPynq:
    """The package's board."""
    _, board = simulated_board(package, Manifest.load(package), traffic)
    assert isinstance(board, SimulatedPynq)
    return board


def opened(package: Path, board: SimulatedPynq) -> AxiAccelerator:
    device = SimulatedDevice(board)
    common = {"device": device, "addr_range": 0x10000, "interrupts": {}, "gpio": {}}
    overlay = SimpleNamespace(
        **{
            DEVICE_NAME: pynq.DefaultIP({**common, "phys_addr": DEVICE_AT}),
            DMA_NAME: dma.DMA({**common, "phys_addr": DMA_AT, "parameters": DMA_PARAMETERS}),
        }
    )
    module = SimpleNamespace(
        Overlay=lambda bitfile: overlay,
        allocate=board.allocate,
        Clocks=SimpleNamespace(fclk0_mhz=0.0),
    )
    host = Host.load(package)
    return AxiAccelerator(
        host,
        module,
        package / host.manifest.bitstream,
        batch_size=8,
        grace_s=0.001,
        clock=lambda: board.seconds,
    )


@pytest.mark.parametrize("traffic", [AxiTraffic(), AxiTraffic(stall=0.4, seed=2)], ids=str)
def test_batches_give_the_dataflows_results(pynq_package: Path, traffic: AxiTraffic) -> None:
    dataflow = Dataflow.load(pynq_package / "dataflow")
    batch = random_inputs(dataflow, 37)
    with (
        contextlib.closing(simulated(pynq_package, traffic)) as board,
        opened(pynq_package, board) as accelerator,
    ):
        assert (accelerator.execute(batch) == dataflow.run(batch)).all()
        assert (accelerator.logits(batch) == dataflow.logits(batch)).all()
        assert accelerator.counters()["images_out"] == 2 * 37
        accelerator.batch_size = 16
        assert accelerator.throughput_test()["batch_size"] == 16


@pytest.mark.parametrize(
    ("traffic", "text"),
    [
        (AxiTraffic(send_beats=11), "wanted 8 results, got 3 from 3 images"),
        (AxiTraffic(receive_beats=5), "no end in sight"),
        (AxiTraffic(lost_bytes=1), "an image came truncated"),
    ],
    ids=str,
)
def test_stuck_or_short_transfer_is_an_error_and_no_hang(
    pynq_package: Path, traffic: AxiTraffic, text: str
) -> None:
    dataflow = Dataflow.load(pynq_package / "dataflow")
    with (
        contextlib.closing(simulated(pynq_package, traffic)) as board,
        opened(pynq_package, board) as accelerator,
        pytest.raises(DeviceError, match=text),
    ):
        accelerator.execute(random_inputs(dataflow, 8))
