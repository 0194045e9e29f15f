"""A board with a processing system: Yosys' estimate of the network, and the project for Vivado."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnedge.design import Design
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.links import Device
from bnnedge.progress import named
from bnnedge.synthesis import vivado, yosys
from bnnedge.synthesis.facts import images_per_second
from bnnedge.synthesis.plan import SCRIPT
from bnnedge.synthesis.run import LOG_FOLDER, Run

_YOSYS_TIMEOUT_S = 3600.0
_VIVADO_TIMEOUT_S = 8 * 3600.0


def estimate(
    design: Design, board: ZynqBoard, device: Device, rtl: Path, run: Run, *, with_vivado: bool
) -> dict[str, Any]:
    """Write the project, estimate the network, and run Vivado if that is wanted.

    Returns:
        Facts of the artifact.

    Raises:
        SynthesisError: Vivado does not reach the clock.
        ToolFailedError: Yosys or Vivado failed.
    """
    device.save(run.folder)
    project = run.folder / vivado.PROJECT_FOLDER
    vivado.write_project(design, board, rtl, clock_hz=device.clock_hz, folder=project)
    script = board.family.script(design.sources)
    with run.step("yosys"):
        (run.folder / SCRIPT).write_text(script, encoding="utf-8")
        kinds = yosys.run_yosys(
            script, cwd=run.work, log=run.log("yosys"), timeout_s=_YOSYS_TIMEOUT_S
        )
        run.keep(board.family.log, LOG_FOLDER)
    estimated = board.family.count(kinds)
    facts = {
        "board": board.name,
        "family": board.family.name,
        "fpga": board.device,
        "fits": board.family.fits(board, estimated),
        "device": device,
        "link": device.title,
        "images_per_second": images_per_second(design, device),
    }
    if not with_vivado:
        run.publish_logs()
        return facts | {
            "estimate": True,
            "note": "Yosys synth_xilinx of bnnedge_core alone: not placed, not routed, not timed",
            "resources": _uses(design, board, estimated),
        }
    with run.step("vivado"):
        implemented = vivado.run_vivado(
            project,
            clock_mhz=device.clock_hz / 1e6,
            log=run.log("vivado"),
            timeout_s=_VIVADO_TIMEOUT_S,
            progress=named(run.progress, "vivado: "),
        )
    run.publish_logs()
    uses = _uses(design, board, implemented.used)
    return facts | {
        "estimate": False,
        "bitstream": f"{vivado.PROJECT_FOLDER}/{vivado.OUTPUT_FOLDER}/{design.name}.bit",
        "resources": {name: use | {"estimated": estimated[name]} for name, use in uses.items()},
        "timing": implemented.timing,
        "critical_warnings": list(implemented.critical_warnings),
    }


def _uses(
    design: Design, board: ZynqBoard, used: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Used, available and percent of what the board's FPGA has, and predicted where there is."""
    predicted = board.family.predict(design)
    return {
        name: {
            "used": used.get(name, 0),
            "available": available,
            "percent": round(100 * used.get(name, 0) / available, 1),
            **({"predicted": predicted[name]} if name in predicted else {}),
        }
        for name, available in board.totals.items()
    }
