"""The last check: the bitstream file, read back, against the netlist and against the Dataflow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnedge.errors import MismatchError, SynthesisError, named
from bnnedge.families.placed import MAPPED_JSON, ROUTED_JSON, FpgaBoard
from bnnedge.links import Device
from bnnedge.readback.readers import TRUSTED, ReadBack, read_back, unread
from bnnedge.readback.verilog import verilog_text
from bnnedge.scratch import scratch
from bnnedge.synthesis.gatelevel import judge_of, simulate_netlist
from bnnedge.synthesis.plan import Plan
from bnnedge.synthesis.run import Run
from bnnedge.synthesis.top import BOARD_TOP

_IMAGES = 32
_AT_A_TIME = 2
_BUDGET_S = 60.0
_SUBJECT = "netlist read back from the bitstream"


def check_bits(plan: Plan, rtl: Path, run: Run, *, wanted: bool) -> Mapping[str, Any]:
    """Read a bitstream back and compare it, once as a structure and once by what it answers.

    Args:
        plan: that it was made of.
        rtl: folder that it was made from.
        run: in its folders the bitstream was made.
        wanted: false: it is left out, see `SynthesisConfig.read_back`.

    Returns:
        Facts: `bits`, or why there are none in `not_read_back`.

    Raises:
        MismatchError: it is not the netlist that was placed, or answers otherwise.
        SimulationError: it does not answer.
        SynthesisError: it has something that is not understood.
    """
    if not wanted:
        return {"not_read_back": "it was left out"}
    if reason := unread(plan.board):
        return {"not_read_back": reason}
    try:
        with run.step("read back"), scratch(run.work) as work:
            found = read_back(run.folder / plan.bitstream, plan.board, work, work)
            compared = found.compare(
                read_json(run.work / MAPPED_JSON), read_json(run.work / ROUTED_JSON)
            )
    except (MismatchError, SynthesisError) as error:
        raise type(error)(
            error.message,
            remedy=f"try another {named('seed')};"
            f" {named('read_back', False)} does without this check",
        ) from error
    with run.step("simulation of the bitstream"):
        simulated = simulate_bits(found, plan.device, rtl, plan.board, run.work)
    return {"bits": {"compared": compared, "trusted": TRUSTED, "simulated": simulated}}


def read_json(path: Path) -> Any:
    """What a tool has written, of any size."""
    return json.loads(path.read_text(encoding="utf-8"))


def simulate_bits(
    found: ReadBack, device: Device, rtl: Path, board: FpgaBoard, folder: Path
) -> Mapping[str, Any]:
    """What a network that was read back answers, see `simulate_netlist`."""
    path = folder / "read_back.v"
    path.write_text(verilog_text(found.netlist, BOARD_TOP), encoding="utf-8")
    return simulate_netlist(
        path,
        device,
        rtl,
        board,
        judge_of(rtl, _IMAGES),
        subject=_SUBJECT,
        least=_AT_A_TIME,
        budget_s=_BUDGET_S,
    )
