"""The gate-level check: the netlist that was placed, simulated, against the Dataflow.

What is simulated is the whole board top as it is in the bitstream: device, network, reset, driven
through the pins of its link at their true rate. The cells are Yosys' own models, and the family's
where those are no good. Not covered: placement, routing, timing, the analogue side of the PLL, and
the packing of the bitstream.
"""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.equality import Judge, stimuli
from bnnedge.errors import SynthesisError
from bnnedge.families.placed import NETLIST_VERILOG, FpgaBoard
from bnnedge.links import Device, load_device
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
    """Run hard and random images through the netlist of a bitstream and compare every result.

    Args:
        synth: folder written by `synthesise`.
        rtl: the RTL folder that it was made from; its Dataflow is the judge.
        board: that it was made for.
        images: how many, at least 1.
        seed: of the images.
        cache: of compiled models; default: the user's.

    Returns:
        Facts: what was compared, how many images, clocks, seconds for compiling and running.

    Raises:
        MismatchError: a result differs; names the image and what differs.
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
    judge = judge_of(rtl, images, seed)
    return simulate_netlist(
        synth / NETLIST_VERILOG, device, rtl, board, judge, subject="placed netlist", cache=cache
    )


def judge_of(rtl: Path, images: int, seed: int = 0) -> Judge:
    """What the Dataflow of an RTL folder answers to hard and random images."""
    dataflow = Dataflow.load(rtl / "dataflow")
    return Judge(dataflow, stimuli(dataflow, images, seed))


def simulate_netlist(
    netlist: Path,
    device: Device,
    rtl: Path,
    board: FpgaBoard,
    judge: Judge,
    *,
    subject: str,
    cache: Path | None = None,
    least: int = _AT_A_TIME,
    budget_s: float = math.inf,
) -> Mapping[str, Any]:
    """Run images through the Verilog of a board's top.

    Args:
        netlist: Verilog of the family's cells.
        device: in it.
        rtl: folder of the network.
        board: that it is for.
        judge: the images, and what is right.
        subject: what it is called in errors and facts.
        cache: of compiled models; default: the user's.
        least: images at a time.
        budget_s: seconds after which no further ones are begun.

    Returns:
        Facts, see `check_netlist`.

    Raises:
        MismatchError, SimulationError: see `check_netlist`.
    """
    start = time.perf_counter()
    sources = board.family.netlist_sources(netlist)
    images = 0
    with device.converse(sources, BOARD_TOP, board, rtl, cache) as line:
        compiled = time.perf_counter()
        line.identify()
        while images < len(judge.wanted) and time.perf_counter() < compiled + budget_s:
            part = slice(images, images + least)
            got = line.exchange(images, judge.encoded[part])
            judge.check(got, subject=subject, chosen=part)
            images += len(got)
        measured = line.measure()
        clocks = line.clocks
        compared = f"results of the {subject} of {board.name} at its {line.pins}"
    return {
        "compared": compared,
        "images": images,
        "clocks": clocks,
        "compile_s": round(compiled - start, 1),
        "run_s": round(time.perf_counter() - compiled, 1),
        "measured": measured,
    }
