"""The AXI device, in simulation, around a stand-in network, and the DMA that feeds it."""

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.design import Design
from bnnedge.errors import SimulationError
from bnnedge.hardware.kernels import SV_FOLDER as KERNELS
from bnnedge.links.axi import AXI_TOP_MODULE, AxiDevice, axi_parameters
from bnnedge.links.base import SV_FOLDER
from bnnedge.verilated import verilator
from bnnedge.verilated.axi import MEMORY_BASE, AxiModel, AxiTraffic, compile_axi_model

CORE = Path(__file__).parents[1] / "synthesis" / "sv" / "bnnedge_core.sv"
SOURCES = [
    *(KERNELS / f"{name}.sv" for name in ("loop_counter", "stream_last", "stream_contract")),
    KERNELS / "stream_width_converter.sv",
    SV_FOLDER / "axi_registers.sv",
    SV_FOLDER / "bnnedge_axi.v",
    CORE,
]
ID_WORD = 0xB17EDA7A
IMAGE_WORDS, RESULT_WORDS = 3, 2
PARAMETERS = {
    "IN_WIDTH": 32,
    "OUT_WIDTH": 32,
    "IN_BEATS": IMAGE_WORDS,
    "OUT_BEATS": RESULT_WORDS,
    "ID_WORD": ID_WORD,
}
ID, VERSION, CONTROL, STATUS, IMAGES, IMAGE_BYTES, RESULT_BYTES, IN, OUT, CYCLES = range(0, 40, 4)
BUSY, FRAME_ERROR = 1, 2
SEND, RECEIVE = 0x00, 0x30
DMA_CONTROL, DMA_STATUS, DMA_ADDRESS, DMA_LENGTH = 0x00, 0x04, 0x18, 0x28
HALTED, IDLE, INTERNAL, DECODE = 0x01, 0x02, 0x10, 0x40
RESULTS_AT = 4096


@pytest.fixture(scope="module")
def library() -> Path:
    return compile_axi_model(sources=SOURCES, top=AXI_TOP_MODULE, parameters=PARAMETERS)


@pytest.fixture
def model(library: Path, tmp_path: Path) -> Iterator[AxiModel]:
    with AxiModel(library, data_folder=tmp_path) as model:
        yield model


def images(count: int, seed: int = 0) -> NDArray[np.uint32]:
    random = np.random.default_rng(seed)
    return random.integers(0, 2**32, (count, IMAGE_WORDS), dtype=np.uint32)


def results_of(batch: NDArray[np.uint32]) -> NDArray[np.uint32]:
    total = batch.sum(axis=1, dtype=np.uint32)
    return np.stack([total, np.bitwise_xor.reduce(batch, axis=1)], axis=1)


def start_dma(model: AxiModel) -> None:
    for channel in (SEND, RECEIVE):
        model.dma_write(channel + DMA_CONTROL, 1)


def receive(model: AxiModel, count: int) -> None:
    model.dma_write(RECEIVE + DMA_ADDRESS, MEMORY_BASE + RESULTS_AT)
    model.dma_write(RECEIVE + DMA_LENGTH, 4 * RESULT_WORDS * count)


def send(model: AxiModel, batch: NDArray[np.uint32], *, missing_bytes: int = 0) -> None:
    model.memory[: batch.nbytes] = batch.view(np.uint8).ravel()
    model.dma_write(SEND + DMA_ADDRESS, MEMORY_BASE)
    model.dma_write(SEND + DMA_LENGTH, batch.nbytes - missing_bytes)


def received(model: AxiModel, count: int) -> NDArray[np.uint32]:
    data = model.memory[RESULTS_AT : RESULTS_AT + 4 * RESULT_WORDS * count]
    return data.view(np.uint32).reshape(count, RESULT_WORDS).copy()


def run_batch(model: AxiModel, batch: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A batch as one transfer; its results."""
    model.write(IMAGES, len(batch))
    receive(model, len(batch))
    send(model, batch)
    model.run(100 * len(batch) + 2000)
    assert model.dma_read(SEND + DMA_STATUS) & IDLE
    assert model.dma_read(RECEIVE + DMA_STATUS) & IDLE
    assert model.dma_read(RECEIVE + DMA_LENGTH) == 4 * RESULT_WORDS * len(batch)
    return received(model, len(batch))


def test_registers_say_what_the_device_is(model: AxiModel) -> None:
    assert model.read(ID) == ID_WORD
    assert model.read(VERSION) == 0x424E4E01
    assert (model.read(IMAGE_BYTES), model.read(RESULT_BYTES)) == (12, 8)
    zero = [CONTROL, STATUS, IN, OUT, CYCLES, 0x28, 0xFC]
    assert [model.read(address) for address in zero] == [0] * len(zero)
    assert model.read(IMAGES) == 1


def test_only_control_and_images_can_be_written(model: AxiModel) -> None:
    addresses = range(0, 0x30, 4)
    before = [model.read(address) for address in addresses]
    for address in addresses:
        model.write(address, 0xFFFFFFFE)
    after = [model.read(address) for address in addresses]
    changed = {
        a: value for a, was, value in zip(addresses, before, after, strict=True) if was != value
    }
    assert changed == {IMAGES: 0xFFFFFFFE}


def test_write_strobes_choose_bytes(model: AxiModel) -> None:
    model.write(IMAGES, 0x11223344)
    model.write(IMAGES, 0xAABBCCDD, strobe=0b0101)
    assert model.read(IMAGES) == 0x11BB33DD
    model.write(CONTROL, 1, strobe=0b1110)
    assert model.read(CONTROL) == 0


@pytest.mark.parametrize(
    "traffic",
    [
        AxiTraffic(),
        AxiTraffic(stall=0.5, seed=2),
        AxiTraffic(burst_beats=1, pause_clocks=7, seed=3),
        AxiTraffic(stall=0.9, burst_beats=2, seed=4),
    ],
    ids=str,
)
def test_batches_of_any_size_are_single_transfers(
    library: Path, tmp_path: Path, traffic: AxiTraffic
) -> None:
    with AxiModel(library, data_folder=tmp_path, traffic=traffic) as model:
        start_dma(model)
        total = 0
        for count in (1, 2, 17, 1):
            batch = images(count, seed=count)
            assert (run_batch(model, batch) == results_of(batch)).all()
            total += count
        assert (model.read(IN), model.read(OUT)) == (total, total)
        assert model.read(STATUS) == 0


def test_cycles_are_counted_while_busy_only(model: AxiModel) -> None:
    start_dma(model)
    run_batch(model, images(4))
    busy = model.read(CYCLES)
    assert 4 * (IMAGE_WORDS + 5 + RESULT_WORDS) <= busy < 150
    model.run(1000)
    assert model.read(CYCLES) == busy


def test_last_beat_of_a_transfer_is_the_one_of_its_last_image(model: AxiModel) -> None:
    start_dma(model)
    model.write(IMAGES, 2)
    batch = images(3)
    receive(model, 3)
    send(model, batch)
    model.run(1000)
    assert model.dma_read(RECEIVE + DMA_STATUS) & IDLE
    assert model.dma_read(RECEIVE + DMA_LENGTH) == 2 * 4 * RESULT_WORDS  # `tlast` ended it
    assert model.read(STATUS) == BUSY
    assert (model.read(IN), model.read(OUT)) == (3, 2)
    receive(model, 1)
    model.run(1000)
    assert model.dma_read(RECEIVE + DMA_STATUS) & 0xFF == INTERNAL | HALTED  # no `tlast` in time
    assert model.read(OUT) == 3


@pytest.mark.parametrize("missing_bytes", [1, 4, 12 - 1], ids="{} bytes short".format)
def test_transfer_that_ends_in_an_image_is_a_frame_error(
    model: AxiModel, missing_bytes: int
) -> None:
    start_dma(model)
    batch = images(3)
    model.write(IMAGES, 3)
    receive(model, 3)
    send(model, batch, missing_bytes=missing_bytes)
    model.run(1000)
    assert model.read(STATUS) & FRAME_ERROR
    assert (model.read(IN), model.read(OUT)) == (2, 2)
    assert (received(model, 2) == results_of(batch[:2])).all()
    # Nothing goes in any more, and nothing is stuck.
    send(model, batch)
    model.run(1000)
    assert model.dma_read(SEND + DMA_STATUS) & IDLE
    assert model.read(IN) == 2
    reset(model)
    assert model.read(STATUS) == 0
    assert (run_batch(model, batch) == results_of(batch)).all()


def test_frame_error_is_seen_though_the_network_is_stuck(model: AxiModel) -> None:
    start_dma(model)
    send(model, images(1))  # its result is not asked for
    model.run(100)
    assert model.dma_read(SEND + DMA_STATUS) & IDLE
    send(model, images(1), missing_bytes=8)
    model.run(100)
    assert model.read(STATUS) == FRAME_ERROR | BUSY
    assert model.dma_read(SEND + DMA_STATUS) & IDLE
    assert (model.read(IN), model.read(OUT)) == (1, 0)


def test_device_in_reset_takes_and_gives_nothing(model: AxiModel) -> None:
    start_dma(model)
    model.write(CONTROL, 1)
    receive(model, 3)
    send(model, images(3))
    model.run(200)
    assert model.dma_read(SEND + DMA_STATUS) & IDLE
    assert not model.dma_read(RECEIVE + DMA_STATUS) & IDLE
    assert [model.read(address) for address in (CONTROL, STATUS, IN, CYCLES)] == [1, 0, 0, 0]


def test_writing_images_begins_a_transfer(model: AxiModel) -> None:
    start_dma(model)
    model.write(IMAGES, 3)
    receive(model, 3)
    send(model, images(1))
    model.run(200)
    assert model.read(OUT) == 1
    model.write(IMAGES, 1)
    send(model, images(1))
    model.run(200)
    assert model.dma_read(RECEIVE + DMA_STATUS) & IDLE
    assert model.dma_read(RECEIVE + DMA_LENGTH) == 2 * 4 * RESULT_WORDS


def reset(model: AxiModel) -> None:
    """As the driver does: the device, the DMA meanwhile, and both go on."""
    model.write(CONTROL, 1)
    model.dma_write(SEND + DMA_CONTROL, 4)
    while model.dma_read(SEND + DMA_CONTROL) & 4:
        pass
    model.write(CONTROL, 0)
    start_dma(model)


@pytest.mark.parametrize("clocks", [1, 2, 5, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 37, 200])
def test_reset_in_mid_stream_leaves_no_trace(model: AxiModel, clocks: int) -> None:
    start_dma(model)
    model.write(IMAGES, 7)
    receive(model, 7)
    send(model, images(7, seed=1))
    model.run(clocks)
    reset(model)
    assert [model.read(address) for address in (STATUS, IN, OUT, CYCLES)] == [0] * 4
    batch = images(5, seed=2)
    assert (run_batch(model, batch) == results_of(batch)).all()
    assert model.read(OUT) == 5


def test_stuck_memory_leaves_the_device_busy(library: Path, tmp_path: Path) -> None:
    with AxiModel(library, data_folder=tmp_path, traffic=AxiTraffic(receive_beats=3)) as model:
        start_dma(model)
        model.write(IMAGES, 5)
        receive(model, 5)
        send(model, images(5))
        model.run(5000)
        assert model.read(STATUS) == BUSY
        assert model.read(OUT) == 1
        assert not model.dma_read(RECEIVE + DMA_STATUS) & IDLE


@pytest.mark.parametrize(("in_width", "out_width"), [(16, 32), (32, 8), (8, 16)])
def test_narrow_dma_gives_the_same(tmp_path: Path, in_width: int, out_width: int) -> None:
    library = compile_axi_model(
        sources=SOURCES,
        top=AXI_TOP_MODULE,
        parameters={
            "IN_WIDTH": in_width,
            "OUT_WIDTH": out_width,
            "IN_BEATS": IMAGE_WORDS * 32 // in_width,
            "OUT_BEATS": RESULT_WORDS * 32 // out_width,
            "CORE_IN_WIDTH": 32,
            "CORE_OUT_WIDTH": 32,
            "ID_WORD": ID_WORD,
        },
    )
    with AxiModel(library, data_folder=tmp_path, traffic=AxiTraffic(stall=0.2)) as model:
        assert (model.read(IMAGE_BYTES), model.read(RESULT_BYTES)) == (12, 8)
        start_dma(model)
        batch = images(9)
        assert (run_batch(model, batch) == results_of(batch)).all()


def test_wrapper_of_another_network_is_noticed(tmp_path: Path) -> None:
    library = compile_axi_model(
        sources=SOURCES, top=AXI_TOP_MODULE, parameters={**PARAMETERS, "ID_WORD": 1}
    )
    with (
        AxiModel(library, data_folder=tmp_path) as model,
        pytest.raises(SimulationError, match="ID_WORD is 00000001, the network's b17eda7a"),
    ):
        model.run(10)


def test_streams_wider_than_a_dma_are_converted() -> None:
    rtl = ("sv/stream_last.sv", "sv/stream_contract.sv", "sv/bnnedge_core.sv")
    plain = dict.fromkeys((field.name for field in dataclasses.fields(Design)), 0)
    design = Design(
        **{**plain, "sources": rtl, "id_word": 7},  # type: ignore[arg-type]
    )
    design = dataclasses.replace(
        design,
        input_elements=5000,
        input_element_bits=1,
        input_width_bits=4096,
        output_elements=10,
        output_element_bits=32,
        output_width_bits=512,
    )
    assert axi_parameters(design) == {
        "IN_WIDTH": 1024,
        "OUT_WIDTH": 512,
        "IN_BEATS": 8,
        "OUT_BEATS": 1,
        "CORE_IN_WIDTH": 4096,
        "CORE_OUT_WIDTH": 512,
        "ID_WORD": 7,
    }
    names = [path.name for path in AxiDevice.sources(design)]
    assert names == [
        "loop_counter.sv",
        "stream_width_converter.sv",
        "axi_registers.sv",
        "bnnedge_axi.v",
    ]
    narrow = dataclasses.replace(design, input_width_bits=1024)
    assert [path.name for path in AxiDevice.sources(narrow)] == [
        "axi_registers.sv",
        "bnnedge_axi.v",
    ]


def test_halted_dma_ignores_lengths(model: AxiModel) -> None:
    assert model.dma_read(RECEIVE + DMA_STATUS) == HALTED
    receive(model, 1)
    assert model.dma_read(RECEIVE + DMA_STATUS) == HALTED
    start_dma(model)
    assert model.dma_read(RECEIVE + DMA_STATUS) == 0  # not idle before the first transfer
    model.dma_write(SEND + DMA_CONTROL, 0)
    assert model.dma_read(SEND + DMA_STATUS) == HALTED


def test_dma_stays_in_its_memory(model: AxiModel) -> None:
    start_dma(model)
    model.dma_write(SEND + DMA_ADDRESS, MEMORY_BASE - 4)
    model.dma_write(SEND + DMA_LENGTH, 12)
    assert model.dma_read(SEND + DMA_STATUS) & 0xFF == DECODE | HALTED
    assert model.read(IN) == 0


def test_result_longer_than_its_buffer_halts_the_dma(model: AxiModel) -> None:
    start_dma(model)
    model.memory[RESULTS_AT : RESULTS_AT + 12] = 0x55
    model.dma_write(RECEIVE + DMA_ADDRESS, MEMORY_BASE + RESULTS_AT)
    model.dma_write(RECEIVE + DMA_LENGTH, 6)
    send(model, images(1))
    model.run(1000)
    assert model.dma_read(RECEIVE + DMA_STATUS) & 0xFF == INTERNAL | HALTED
    assert (model.memory[RESULTS_AT + 6 : RESULTS_AT + 12] == 0x55).all()


@pytest.mark.slow
def test_synthesised_device_does_the_same(tmp_path: Path) -> None:
    """Yosys' netlist in place of the sources: it takes them, and means the same by them."""
    for source in SOURCES:
        (tmp_path / source.name).write_text(source.read_text())
    chosen = " ".join(f"-chparam {name} {value}" for name, value in PARAMETERS.items())
    script = [
        *(
            f"read_verilog {'-sv ' if source.suffix == '.sv' else ''}-defer {source.name}"
            for source in SOURCES
        ),
        f"hierarchy -top {AXI_TOP_MODULE} {chosen}",
        f"synth -flatten -top {AXI_TOP_MODULE}",
        f"rename -top {AXI_TOP_MODULE}",
        "write_verilog -noattr netlist.v",
    ]
    (tmp_path / "synth.ys").write_text("\n".join(script) + "\n")
    subprocess.run([tools.find("yosys"), "-q", "-s", "synth.ys"], cwd=tmp_path, check=True)
    netlist = compile_library_of(tmp_path / "netlist.v")
    with AxiModel(netlist, data_folder=tmp_path, traffic=AxiTraffic(stall=0.3)) as model:
        assert model.read(ID) == ID_WORD
        start_dma(model)
        batch = images(6)
        assert (run_batch(model, batch) == results_of(batch)).all()
        model.write(IMAGES, 3)
        receive(model, 3)
        send(model, batch[:3], missing_bytes=4)
        model.run(1000)
        assert model.read(STATUS) & FRAME_ERROR
        reset(model)
        assert (run_batch(model, batch) == results_of(batch)).all()


def compile_library_of(netlist: Path) -> Path:
    """A netlist has no parameters; the harness still wants the widths."""
    return verilator.compile_library(
        sources=[netlist],
        top=AXI_TOP_MODULE,
        harness=verilator.HARNESS_FOLDER / "axi.cpp",
        harness_defines={"BNNEDGE_IN_BITS": "32", "BNNEDGE_OUT_BITS": "32"},
    )


def test_device_has_no_lint_warnings() -> None:
    verilator.lint(SOURCES, top=AXI_TOP_MODULE, parameters=PARAMETERS)


@pytest.mark.parametrize("broken", [False, True])
def test_top_is_plain_verilog(tmp_path: Path, broken: bool) -> None:
    top = tmp_path / "bnnedge_axi.v"
    text = (SV_FOLDER / top.name).read_text()
    top.write_text(
        text.replace("reg  [31:0] images_in_q", "logic [31:0] images_in_q") if broken else text
    )
    others = [path for path in SOURCES if path.name != top.name]
    arguments = ["--lint-only", "+1364-2001ext+v", "--top-module", AXI_TOP_MODULE]
    run = subprocess.run(
        [tools.find("verilator"), *arguments, *map(str, [*others, top])],
        env={**os.environ, "VERILATOR_ROOT": str(tools.verilator_root())},
        capture_output=True,
        text=True,
    )
    assert (run.returncode != 0) == broken, run.stderr
