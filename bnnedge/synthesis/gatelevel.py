"""The gate-level check: the netlist that was placed, simulated, against the Dataflow.

What is simulated is the whole board top as it is in the bitstream: device, network, reset, at the
true baud rate, driven through its serial pin. The cells are Yosys' own models, and the family's
where those are no good. Not covered: placement, routing, timing, the analogue side of the PLL, and
the packing of the bitstream.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.errors import MismatchError, SimulationError, SynthesisError
from bnnedge.families.placed import CLOCK_ROLE, NETLIST_VERILOG, FpgaBoard
from bnnedge.links import UartDevice, frames, load_device
from bnnedge.synthesis.top import BOARD_TOP
from bnnedge.verilated.serial import SerialModel, SerialPorts, compile_serial_model

_LOCK_CLOCKS = 200  # the PLL's model, then the reset's shift register


def check_netlist(
    synth: Path,
    rtl: Path,
    board: FpgaBoard,
    *,
    images: int = 10,
    seed: int = 0,
    cache: Path | None = None,
) -> Mapping[str, Any]:
    """Run random images through the netlist of a bitstream and compare every result.

    Args:
        synth: folder written by `synthesise`.
        rtl: the RTL folder that it was made from; its Dataflow is the judge.
        board: that it was made for.
        images: how many, at least 1.
        seed: of the random images.
        cache: of compiled models; default: the user's.

    Returns:
        Facts: what was compared, how many images, clocks, seconds for compiling and running.

    Raises:
        MismatchError: a result differs; names image and element.
        SimulationError: the netlist does not answer, or answers with a fault.
        SynthesisError: `synth` holds no bitstream, or of another design.
    """
    device = load_device(synth)
    design = Design.load(rtl)
    if not isinstance(device, UartDevice) or device.board != board.name:
        raise SynthesisError(f"{synth} is for {device.board}, not for {board.name}")
    if device.id_word != design.id_word:
        raise SynthesisError(
            f"{synth} was not made from {rtl}: its id is {device.id_word:#010x}, not"
            f" {design.id_word:#010x}",
            remedy="run bnnedge synth again",
        )
    dataflow = Dataflow.load(rtl / "dataflow")
    encoded = random_images(dataflow, images, seed)
    expected = dataflow.results_of(encoded)

    start = time.perf_counter()
    library = compile_serial_model(
        sources=board.family.netlist_sources(synth / NETLIST_VERILOG),
        top=BOARD_TOP,
        ports=SerialPorts(
            clock=board.port(CLOCK_ROLE),
            receive=board.port("rx"),
            transmit=board.port("tx"),
            reset=None,
        ),
        defines={"NO_INCLUDES": "1"},
        cache=cache,
    )
    compiled = time.perf_counter()
    with SerialModel(library, clocks_per_bit=device.clocks_per_bit, data_folder=rtl) as line:
        line.wait(_LOCK_CLOCKS)
        _check_identity(line, design, device)
        for first in range(0, images, device.window):
            last = min(first + device.window, images)
            _check_window(line, design, device, encoded[first:last], expected[first:last], first)
        clocks = line.clocks
    return {
        "compared": f"results of the placed netlist of {board.name} at its serial pin",
        "images": images,
        "clocks": clocks,
        "compile_s": round(compiled - start, 1),
        "run_s": round(time.perf_counter() - compiled, 1),
    }


def random_images(dataflow: Dataflow, count: int, seed: int) -> NDArray[Any]:
    """Random encoded inputs (count, *input.output_shape): bits, or integers of the input's type."""
    stream = dataflow.input.stream
    element = stream.element
    low, high = (0, 1) if element.bipolar else (element.smallest, element.largest)
    dtype = np.uint8 if element.bipolar else np.int32
    shape = (count, *stream.shape)
    return np.random.default_rng(seed).integers(low, high, shape, dtype, endpoint=True)


def _check_identity(line: SerialModel, design: Design, device: UartDevice) -> None:
    line.write(frames.IDENTIFY)
    reply = _read(line, device, frames.IDENTITY_BYTES, design)
    identity = frames.parse_identity(reply)
    wanted = (design.id_word, device.window)
    if (identity.id_word, identity.window) != wanted:
        raise MismatchError(
            f"netlist of {design.name}: wanted id and window {wanted}, got"
            f" {(identity.id_word, identity.window)}"
        )


def _check_window(
    line: SerialModel,
    design: Design,
    device: UartDevice,
    encoded: NDArray[Any],
    expected: NDArray[np.int64],
    first: int,
) -> None:
    for index, image in enumerate(encoded):
        line.write(frames.image_frame(first + index, design, image))
    for index, wanted in enumerate(expected, start=first):
        reply = _read(line, device, frames.result_frame_bytes(design), design)
        got = frames.parse_result(reply, index, design)
        wrong = np.flatnonzero(got != wanted)
        if wrong.size:
            at = int(wrong[0])
            raise MismatchError(
                f"netlist of {design.name}: image {index}, element {at}: wanted {wanted[at]},"
                f" got {got[at]}"
            )


def _read(line: SerialModel, device: UartDevice, size: int, design: Design) -> bytes:
    """A reply, allowing for everything that may go over the line before it."""
    frame_bytes = 8 + design.input_beats * design.input_width_bits // 8 + size
    line_clocks = 10 * device.clocks_per_bit * frame_bytes * (device.window + 1)
    timeout = line_clocks + 20 * design.interval_cycles * (device.window + 1)
    reply = line.read(size, timeout_clocks=timeout)
    if len(reply) < size:
        raise SimulationError(
            f"netlist of {design.name}: wanted a reply of {size} bytes within {timeout} clocks,"
            f" got {len(reply)}: {reply.hex()}"
        )
    return reply
