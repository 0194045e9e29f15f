"""An ECP5's bitstream file as a text configuration, and that of a design with nothing in it."""

import json
import shutil
from pathlib import Path

from bnnedge import tools
from bnnedge.errors import SynthesisError, ToolFailedError
from bnnedge.families.placed import NETLIST_JSON, ROUTED, FpgaBoard
from bnnedge.readback.trellis import Configuration, read_configuration

_TIMEOUT_S = 600.0
_MOST_BYTES = 16 << 20  # the largest ECP5's bitstream has 2 MB
_BITSTREAM = "unpacked.bit"
_TEXT = "unpacked.config"
_EMPTY = {"modules": {"empty": {"attributes": {"top": "1"}, "ports": {}, "cells": {}}}}


def unpack(bitstream: Path, work: Path, log: Path) -> Configuration:
    """What a bitstream says.

    Args:
        bitstream: a file of ecppack's.
        work: a folder for what the tool writes.
        log: of the tool.

    Raises:
        SynthesisError: it is none, or not understood.
        ToolMissingError, ToolFailedError: of ecpunpack.
    """
    unpacker = tools.find("ecpunpack")
    size = bitstream.stat().st_size
    if size > _MOST_BYTES:
        raise SynthesisError(f"{bitstream}: wanted a bitstream of an ECP5, it has {size:,} bytes")
    # Of the files below /tmp the tool sees those only that are below its folder.
    shutil.copyfile(bitstream, work / _BITSTREAM)
    arguments = ["--input", _BITSTREAM, "--textcfg", _TEXT]
    try:
        tools.run([unpacker, *arguments], cwd=work, log=log, timeout_s=_TIMEOUT_S)
    except ToolFailedError as error:
        raise SynthesisError(
            f"{bitstream}: wanted a whole bitstream of an ECP5, ecpunpack cannot read it:"
            f" {error.message.partition(': ')[2]}"
        ) from error
    return read_configuration((work / _TEXT).read_text(encoding="utf-8"))


def empty_configuration(board: FpgaBoard, work: Path, log: Path) -> Configuration:
    """What nextpnr sets for every design of a board's device.

    Args:
        board: whose FPGA it is.
        work: a folder for what the tool reads and writes.
        log: of the tool.

    Raises:
        ToolMissingError, ToolFailedError: of nextpnr.
    """
    (work / NETLIST_JSON).write_text(json.dumps(_EMPTY), encoding="utf-8")
    (work / board.family.constraints).write_text("", encoding="utf-8")
    arguments = board.family.place_arguments(board, seed=1)
    placer = tools.find(board.family.place_tool)
    tools.run([placer, *arguments], cwd=work, log=log, timeout_s=_TIMEOUT_S)
    return read_configuration((work / ROUTED).read_text(encoding="utf-8"))
