"""Both resets of the AXI device: they reach every register, at any time.

The checks are what the default tests run; the slow one shows for each reset in the sources that
they notice when it is taken away.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge.errors import SimulationError
from bnnedge.links.axi import AXI_TOP_MODULE
from bnnedge.verilated.axi import AxiModel, AxiTraffic, compile_axi_model
from tests.verilated.test_axi import (
    CONTROL,
    CYCLES,
    DMA_LENGTH,
    DMA_STATUS,
    FRAME_ERROR,
    ID,
    ID_WORD,
    IDLE,
    IMAGE_WORDS,
    IMAGES,
    IN,
    OUT,
    PARAMETERS,
    RECEIVE,
    RESULT_WORDS,
    RESULTS_AT,
    SEND,
    SOURCES,
    STATUS,
    images,
    receive,
    received,
    reset,
    results_of,
    send,
    start_dma,
)

NARROW = {
    "IN_WIDTH": 8,
    "OUT_WIDTH": 16,
    "IN_BEATS": 4 * IMAGE_WORDS,
    "OUT_BEATS": 2 * RESULT_WORDS,
    "CORE_IN_WIDTH": 32,
    "CORE_OUT_WIDTH": 32,
    "ID_WORD": ID_WORD,
}
MOMENTS = (*range(1, 34), 60)


def starts_from_any_state(model: AxiModel) -> None:
    """A model begins with random registers."""
    assert [model.read(address) for address in (ID, CONTROL, STATUS, IN, OUT, CYCLES)] == [
        ID_WORD,
        *[0] * 5,
    ]
    assert model.read(IMAGES) == 1
    start_dma(model)
    batch = images(2, seed=2)
    model.write(IMAGES, 2)
    takes_a_transfer(model, batch)


def takes_a_transfer(model: AxiModel, batch: NDArray[np.uint32]) -> None:
    size = 4 * RESULT_WORDS * len(batch)
    model.memory[RESULTS_AT : RESULTS_AT + size] = 0x55
    receive(model, len(batch))
    send(model, batch)
    model.run(150 * len(batch))
    assert model.dma_read(RECEIVE + DMA_STATUS) & IDLE
    assert model.dma_read(RECEIVE + DMA_LENGTH) == size
    assert (received(model, len(batch)) == results_of(batch)).all()
    state = [model.read(address) for address in (IN, OUT, STATUS)]
    assert state == [len(batch), len(batch), 0]


def is_reset_by_the_line(model: AxiModel, clocks: int) -> None:
    start_dma(model)
    model.write(IMAGES, 7)
    receive(model, 7)
    send(model, images(7, seed=1))
    model.run(clocks)
    if clocks % 3 == 0:
        model.write(CONTROL, 1)
    model.reset()
    starts_from_any_state(model)


def is_reset_by_its_register(model: AxiModel, clocks: int) -> None:
    """The number of images per transfer stays, the number of the result does not."""
    start_dma(model)
    model.write(IMAGES, 3)
    receive(model, 3)
    send(model, images(3, seed=1), missing_bytes=4 * (clocks % 2))
    model.run(clocks)
    reset(model)
    assert [model.read(address) for address in (STATUS, IN, OUT, CYCLES)] == [0] * 4
    assert model.read(IMAGES) == 3
    takes_a_transfer(model, images(3, seed=2))


def drops_everything_in_reset(model: AxiModel) -> None:
    start_dma(model)
    model.write(IMAGES, 2)
    receive(model, 2)
    send(model, images(2, seed=1), missing_bytes=1)
    model.run(300)
    assert model.read(STATUS) & FRAME_ERROR
    model.write(CONTROL, 1)
    assert [model.read(address) for address in (CONTROL, STATUS, IN, OUT)] == [1, 0, 0, 0]
    send(model, images(5, seed=2))
    model.run(200)
    assert model.dma_read(SEND + DMA_STATUS) & IDLE
    # One result of two has come; the DMA waits for the other one.
    assert model.dma_read(RECEIVE + DMA_STATUS) == 0
    assert [model.read(address) for address in (STATUS, IN, OUT, CYCLES)] == [0] * 4
    reset(model)
    takes_a_transfer(model, images(2, seed=3))


def begins_a_transfer_at_a_write(model: AxiModel) -> None:
    start_dma(model)
    model.write(IMAGES, 3)
    receive(model, 3)
    send(model, images(1, seed=1))
    model.run(150)
    model.write(IMAGES, 1)
    send(model, images(1, seed=2))
    model.run(150)
    assert model.dma_read(RECEIVE + DMA_STATUS) & IDLE


@contextlib.contextmanager
def opened(library: Path, folder: Path, seed: int = 1) -> Iterator[AxiModel]:
    with AxiModel(library, data_folder=folder, traffic=AxiTraffic(seed=seed)) as model:
        yield model


def check_resets(library: Path, folder: Path) -> None:
    """Raises AssertionError or SimulationError: a reset leaves something behind."""
    for seed in range(1, 17, 2):
        with opened(library, folder, seed) as model:
            starts_from_any_state(model)
    with opened(library, folder) as model:
        drops_everything_in_reset(model)
        model.reset()
        begins_a_transfer_at_a_write(model)
        model.reset()
        for clocks in MOMENTS:
            is_reset_by_its_register(model, clocks)
        for clocks in MOMENTS:
            is_reset_by_the_line(model, clocks)
            model.reset()


@pytest.mark.parametrize("parameters", [PARAMETERS, NARROW], ids=["core's width", "narrow"])
def test_resets_leave_no_trace(tmp_path: Path, parameters: dict[str, int]) -> None:
    library = compile_axi_model(sources=SOURCES, top=AXI_TOP_MODULE, parameters=parameters)
    check_resets(library, tmp_path)


AXI, REGISTERS, LAST = "bnnedge_axi.v", "axi_registers.sv", "stream_last.sv"


def mutants() -> dict[str, tuple[str, str, str]]:
    """By name: the file, what stands there, and what does instead."""
    found = {
        "CONTROL resets nothing": (AXI, "rst_nq <= aresetn & ~reset", "rst_nq <= aresetn"),
        "aresetn resets registers only": (AXI, "rst_nq <= aresetn & ~reset", "rst_nq <= ~reset"),
        "CONTROL inverted": (AXI, "rst_nq <= aresetn & ~reset", "rst_nq <= aresetn & reset"),
        "aresetn inverted": (AXI, "rst_nq <= aresetn & ~reset", "rst_nq <= ~aresetn & ~reset"),
        "either is needed": (AXI, "rst_nq <= aresetn & ~reset", "rst_nq <= aresetn | ~reset"),
        "runs at first": (AXI, "initial rst_nq = 1'b0", "initial rst_nq = 1'b1"),
        "begins anyhow": (AXI, "initial rst_nq = 1'b0;", ""),
        "images go in": (AXI, "s_axis_tvalid & rst_nq & ~frame", "s_axis_tvalid & ~frame"),
        "images get stuck": (AXI, "frame_error_q | ~rst_nq", "frame_error_q"),
        "results come": (AXI, "out_valid & rst_nq;", "out_valid;"),
        "results are taken": (AXI, "m_axis_tready & rst_nq;", "m_axis_tready;"),
        "result number": (AXI, "if (!rst_nq || images_written)", "if (images_written)"),
        "result number at a write": (AXI, "if (!rst_nq || images_written)", "if (!rst_nq)"),
        "beat number": (LAST, "if (!rst_ni) beat_q <= '0;\n      else if", "if"),
        "CONTROL stays": (
            REGISTERS,
            "reset_q <= s_axi_wdata[0]",
            "reset_q <= reset_q | s_axi_wdata[0]",
        ),
        "in reset at first": (REGISTERS, "reset_q          <= 1'b0", "reset_q          <= 1'b1"),
        "no image at first": (REGISTERS, "images_q         <= 32'd1", "images_q         <= 32'd0"),
        "registers with CONTROL": (AXI, ".rst_ni(aresetn)", ".rst_ni(rst_nq)"),
        "registers never": (AXI, ".rst_ni(aresetn)", ".rst_ni(1'b1)"),
    }
    for where in ("i_image_end", "i_result_end", "i_core"):
        line = f"{where} (\n    .clk_i(aclk), .rst_ni(rst_nq)"
        for what, wire in (("never", "1'b1"), ("by aresetn only", "aresetn")):
            found[f"{where} {what}"] = (AXI, line, line.replace("rst_nq", wire))
    for where in ("IN_BEATS * IN_WIDTH", "OUT_BEATS * OUT_WIDTH"):
        line = f".FrameBits({where})\n      ) i_converter (\n        .clk_i(aclk), .rst_ni(rst_nq)"
        for what, wire in (("never", "1'b1"), ("by aresetn only", "aresetn")):
            found[f"converter of {where} {what}"] = (AXI, line, line.replace("rst_nq", wire))
    # Without its reset `images_written_q` is right a clock later, when no result can be ready yet.
    for source, registers in (
        (AXI, "frame_error_q in_image_q images_in_q images_out_q busy_q cycles_q"),
        (REGISTERS, "write_ready_q read_ready_q write_done_q read_done_q reset_q images_q"),
    ):
        for name in registers.split():
            found[name] = (source, name, "")
    return found


def mutated(name: str, folder: Path) -> list[Path]:
    """The sources, with one mutant written to `folder`."""
    file, old, new = mutants()[name]
    source = next(path for path in SOURCES if path.name == file)
    text = source.read_text()
    if old == name:  # the first assignment in the file is the one of its reset
        old = next(line for line in text.splitlines(True) if line.split()[:2] == [name, "<="])
    assert text.count(old) == 1, name
    (folder / file).write_text(text.replace(old, new))
    return [folder / file if path.name == file else path for path in SOURCES]


@pytest.mark.slow
@pytest.mark.parametrize("name", mutants())
def test_every_lost_reset_is_noticed(name: str, tmp_path: Path) -> None:
    parameters = NARROW if name.startswith("converter") else PARAMETERS
    library = compile_axi_model(
        sources=mutated(name, tmp_path),
        top=AXI_TOP_MODULE,
        parameters=parameters,
    )
    with pytest.raises((AssertionError, SimulationError)):
        check_resets(library, tmp_path)


def test_mutants_are_of_the_sources_as_they_are(tmp_path: Path) -> None:
    for name in mutants():
        assert mutated(name, tmp_path)
