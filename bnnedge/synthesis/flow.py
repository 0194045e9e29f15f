"""The stage: RTL folder in, bitstream (or estimate) out. It is planned, carried out, checked."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnedge import tools
from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact
from bnnedge.boards import board_record, find_board
from bnnedge.cache import protect_tools
from bnnedge.design import Design
from bnnedge.errors import ToolMissingError
from bnnedge.families import Board
from bnnedge.families.placed import FpgaBoard
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.progress import Progress, silent
from bnnedge.readback.readers import unread
from bnnedge.records import to_json
from bnnedge.scratch import scratch
from bnnedge.synthesis import vivado
from bnnedge.synthesis.bits import check_bits
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.estimate import estimate
from bnnedge.synthesis.facts import SYNTH, SynthesisFacts
from bnnedge.synthesis.gatelevel import check_netlist
from bnnedge.synthesis.place import copy_design, place, write_memories
from bnnedge.synthesis.plan import plan_bitstream, plan_device
from bnnedge.synthesis.run import Run

RESOURCES_FILE = "resources.json"
_ROOM_MIB = 512
_VIVADO_ROOM_MIB = 4096


@checked
def synthesise(
    rtl: Path, config: SynthesisConfig, out: Path, *, progress: Progress = silent
) -> Artifact[SynthesisFacts]:
    """Make the bitstream of a design for a board, or for a Zynq all that Vivado needs for it.

    For an FPGA that the open tools know the folder holds the bitstream, `netlist.v` (the very
    netlist that was placed, for the gate-level check), `device.json` (clock, baud rate, window:
    what a host must know), pins, `synth.ys`, `resources.json` and `logs/`; it is published only if
    the netlist equals the Dataflow on the config's images, and the bitstream, where it can be read
    back, equals both. For a Zynq: `vivado/` (the project), `device.json`, `resources.json` (Yosys'
    estimate), `synth.ys`, `logs/`; where Vivado is found, and unless the config forbids it, also
    `vivado/output/` with `<name>.bit`, `<name>.hwh` and reports, whose figures then are those of
    `resources.json`.

    Args:
        rtl: folder written by `bnnedge rtl`.
        config: board, clock, seed.
        out: folder to publish.
        progress: called with the name of each step as it begins.

    Raises:
        SynthesisError: unknown board; design too large, not routed, or slower than its clock.
        MismatchError, SimulationError: the netlist does not equal the Dataflow, or the bitstream
            the netlist.
        DesignError: the RTL folder is damaged.
        ConfigError: the board's file is not what it should be.
        ToolMissingError, ToolFailedError: of Yosys, nextpnr, the packer or Vivado.
    """
    board = find_board(config.board)
    design = Design.load(rtl)
    plan_device(design, board, config)
    used = [*board.family.tools]
    if isinstance(board, ZynqBoard):
        config = dataclasses.replace(config, vivado=config.vivado and _has_vivado())
        used += ["vivado"] if config.vivado else []
    used += () if config.read_back is False else board.family.read_with
    for name in used:
        tools.find(name)  # a missing tool is said now, not after minutes
    protect_tools()
    if "vivado" in used:
        vivado.check_version()
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return SYNTH.publish(
        out,
        lambda folder: _write(design, board, config, rtl, folder, progress),
        config=fields | {"board": board_record(board)},
        inputs=(rtl,),
        tools=lambda: {name: tools.version(name) for name in used},
        room_mib=_VIVADO_ROOM_MIB if "vivado" in used else _ROOM_MIB,
    )


def _has_vivado() -> bool:
    try:
        tools.find("vivado")
    except ToolMissingError:
        return False
    return True


def _write(
    design: Design,
    board: Board,
    config: SynthesisConfig,
    rtl: Path,
    folder: Path,
    progress: Progress,
) -> Mapping[str, Any]:
    with scratch(folder) as work:
        copy_design(design, rtl, work)
        run = Run(work, folder, progress)
        if isinstance(board, ZynqBoard):
            device = plan_device(design, board, config)
            facts = estimate(design, board, device, rtl, run, with_vivado=config.vivado)
            facts["not_read_back"] = None if facts["estimate"] else unread(board)
        else:
            assert isinstance(board, FpgaBoard)
            plan = plan_bitstream(design, board, config)
            write_memories(plan, rtl, work)
            facts = place(plan, run, seed=config.seed)
            if config.gate_level_images:
                with run.step("gate-level check"):
                    facts["gate_level"] = check_netlist(
                        folder, rtl, board, images=config.gate_level_images
                    )
            facts |= check_bits(plan, rtl, run, wanted=config.read_back is not False)
    facts["seconds"] = run.seconds
    (folder / RESOURCES_FILE).write_text(
        json.dumps(to_json(facts), indent=1) + "\n", encoding="utf-8"
    )
    return facts
