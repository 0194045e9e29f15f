"""Carrying out a plan with the open tools, from Yosys to the bitstream."""

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnedge import tools
from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.errors import BnnEdgeWarning, SynthesisError, named
from bnnedge.families.base import Cells
from bnnedge.families.placed import NETLIST_JSON, NETLIST_VERILOG
from bnnedge.synthesis import nextpnr, yosys
from bnnedge.synthesis.facts import images_per_second
from bnnedge.synthesis.plan import SCRIPT, Plan, predict_around
from bnnedge.synthesis.run import LOG_FOLDER, Run

_YOSYS_TIMEOUT_S = 3600.0
_NEXTPNR_TIMEOUT_S = 4 * 3600.0
_PACK_TIMEOUT_S = 600.0


def place(plan: Plan, run: Run, *, seed: int) -> dict[str, Any]:
    """Make the bitstream of a plan.

    Args:
        plan: see `plan_bitstream`.
        run: its folder holds the design's own files.
        seed: of the placer.

    Returns:
        Facts of the artifact.

    Raises:
        SynthesisError: the design is too large, not routed, or slower than its clock.
        ToolFailedError: a tool failed.
    """
    family = plan.board.family
    with run.step("yosys"):
        make_netlist(plan, run.work, run.log("yosys"))
        run.keep(SCRIPT)
        run.keep(NETLIST_VERILOG)
        run.keep(family.log, LOG_FOLDER)
        layers = yosys.cells_by_instance(run.work / NETLIST_JSON, family)
    with run.step(family.place_tool):
        run.keep(family.constraints)
        routed = nextpnr.run_nextpnr(
            plan.board,
            clock_mhz=plan.pll.output_mhz,
            seed=seed,
            cwd=run.work,
            log=run.log("nextpnr"),
            timeout_s=_NEXTPNR_TIMEOUT_S,
        )
    require_timing(plan.board.name, routed)
    with run.step(family.pack_tool):
        tools.run(
            [tools.find(family.pack_tool), *family.pack_arguments(plan.bitstream)],
            cwd=run.work,
            log=run.log(family.pack_tool),
            timeout_s=_PACK_TIMEOUT_S,
        )
        for name in (plan.bitstream, *plan.device.memory_files):
            run.keep(name)
    run.publish_logs()
    plan.device.save(run.folder)
    return _facts(plan, seed, layers, routed)


def copy_design(design: Design, rtl: Path, work: Path) -> None:
    """Copy a design's own files into the folder in which tools run."""
    for source in (*design.sources, *design.memories):
        (work / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(rtl / source, work / source)


def write_memories(plan: Plan, rtl: Path, work: Path) -> None:
    """Write the device's own memory files, of an RTL folder's network, where tools run."""
    if plan.device.memory_files:
        dataflow = Dataflow.load(rtl / "dataflow")
        for name, text in plan.device.memory_texts(plan.design, dataflow).items():
            (work / name).write_text(text, encoding="utf-8")


def make_netlist(plan: Plan, work: Path, log: Path) -> None:
    """Run Yosys on a plan, in a folder with the design's own files.

    Raises:
        ToolMissingError, ToolFailedError: of Yosys.
    """
    for source in plan.sources:
        shutil.copyfile(source, work / source.name)
    plan.board.family.write_overrides(work)
    for name, text in plan.texts.items():
        (work / name).write_text(text, encoding="utf-8")
    yosys.run_yosys(plan.texts[SCRIPT], cwd=work, log=log, timeout_s=_YOSYS_TIMEOUT_S)
    if plan.board.family.move_registers(work / NETLIST_JSON):
        yosys.write_verilog(cwd=work, log=log, timeout_s=_YOSYS_TIMEOUT_S)


def require_timing(name: str, routed: nextpnr.Routed) -> None:
    """Raise where a clock is missed, and warn where a hold time is.

    Args:
        name: of the board.
        routed: what nextpnr reports.

    Raises:
        SynthesisError: a clock is missed.
    """
    timing = routed.timing
    if timing.reached_mhz < timing.requested_mhz:
        raise SynthesisError(
            f"{name}: wanted {timing.requested_mhz:g} MHz, the routed design reaches"
            f" {timing.reached_mhz:g} MHz",
            remedy=f"{named('clock_mhz', int(timing.reached_mhz * 0.95))}, or try another"
            f" {named('seed')}",
        )
    for clock in routed.clocks:
        if clock.reached_mhz < clock.wanted_mhz:
            raise SynthesisError(
                f"{name}: wanted {clock.wanted_mhz:g} MHz of clock {clock.name}, the routed design"
                f" reaches {clock.reached_mhz:g} MHz",
                remedy=f"try another {named('seed')}",
            )
        if clock.hold is not None and clock.hold.margin_ps < 0:
            warnings.warn(f"{name}: {clock.line}", BnnEdgeWarning, stacklevel=2)


def _facts(
    plan: Plan, seed: int, layers: Mapping[str, Cells], routed: nextpnr.Routed
) -> dict[str, Any]:
    design, device, family = plan.design, plan.device, plan.board.family
    predicted = _predicted(plan)
    return {
        "board": plan.board.name,
        "family": family.name,
        "fpga": plan.board.device,
        "estimate": False,
        "bitstream": plan.bitstream,
        "seed": seed,
        "resources": {
            name: {
                "used": routed.usage[kind].used,
                "available": routed.usage[kind].available,
                "percent": routed.usage[kind].percent,
                **({"predicted": predicted[name]} if name in predicted else {}),
            }
            for name, kind in family.kinds.items()
        },
        "cells_by_instance": layers,
        "timing": routed.timing,
        "clocks": routed.clocks,
        "device": device,
        "link": device.title,
        "images_per_second": images_per_second(design, device),
    }


def _predicted(plan: Plan) -> Mapping[str, int]:
    """What network and device together were thought to take."""
    design, family = plan.design, plan.board.family
    around = predict_around(design, plan.board, plan.device)
    return {name: count + around[name] for name, count in family.predict(design).items()}
