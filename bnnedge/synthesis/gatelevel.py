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
from bnnedge.errors import MismatchError, SynthesisError
from bnnedge.families.placed import NETLIST_VERILOG, FpgaBoard
from bnnedge.links import load_device
from bnnedge.synthesis.top import BOARD_TOP

_AT_A_TIME = 64  # images, before they are compared


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
    if device.board != board.name:
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
    sources = board.family.netlist_sources(synth / NETLIST_VERILOG)
    with device.converse(sources, BOARD_TOP, board, rtl, cache) as netlist:
        compiled = time.perf_counter()
        netlist.identify()
        for first in range(0, images, _AT_A_TIME):
            part = slice(first, first + _AT_A_TIME)
            got = netlist.exchange(first, encoded[part])
            wrong = np.argwhere(got != expected[part])
            if wrong.size:
                image, at = map(int, wrong[0])
                raise MismatchError(
                    f"netlist of {design.name}: image {first + image}, element {at}: wanted"
                    f" {expected[first + image, at]}, got {got[image, at]}"
                )
        clocks = netlist.clocks
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
