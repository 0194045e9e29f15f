"""A bitstream file from elsewhere: whether it is an RTL folder's design, wherever it was placed."""

from pathlib import Path

from bnnedge import tools
from bnnedge.boards import find_board
from bnnedge.config import structure
from bnnedge.design import Design
from bnnedge.errors import SynthesisError, named
from bnnedge.families.placed import NETLIST_JSON, FpgaBoard
from bnnedge.links import DEVICE_FILE, load_device
from bnnedge.options import options_of
from bnnedge.progress import Progress, silent
from bnnedge.readback.readers import TRUSTED, read_back, unread
from bnnedge.records import to_json
from bnnedge.scratch import scratch
from bnnedge.synthesis.bits import read_json, simulate_bits
from bnnedge.synthesis.config import SynthesisConfig, VerifyConfig
from bnnedge.synthesis.facts import BitsCheck
from bnnedge.synthesis.place import copy_design, make_netlist, write_memories
from bnnedge.synthesis.plan import Plan, plan_bitstream


def verify_bits(
    bitstream: Path, rtl: Path, config: VerifyConfig, *, progress: Progress = silent
) -> BitsCheck:
    """Read a bitstream back, and compare it with what Yosys makes of an RTL folder.

    The file may be placed and routed in any way, by anyone. What Yosys makes has to be the netlist
    that it was placed from: another version may map the same design to other cells.

    Args:
        bitstream: the file.
        rtl: folder written by `bnnedge rtl`; its Dataflow is the judge of what is simulated.
        config: board, clock and line that the file is for.
        progress: called with the name of each step as it begins.

    Raises:
        MismatchError: it is not the same network, or answers otherwise.
        SimulationError: it does not answer.
        SynthesisError: it is no bitstream, has something that is not understood, or there is no
            reader for the board's family.
        ToolMissingError, ToolFailedError: of the tools.
    """
    design = Design.load(rtl)
    if not bitstream.is_file():
        raise SynthesisError(f"{bitstream}: wanted a bitstream, there is no file of this name")
    plan = _plan(bitstream, design, config)
    board = plan.board
    for name in (*board.family.tools, *board.family.read_with):
        tools.find(name)
    with scratch() as work:
        made = work / "made"
        made.mkdir()
        copy_design(design, rtl, made)
        write_memories(plan, rtl, made)
        progress("read back")
        found = read_back(bitstream, board, work, work)
        progress("yosys")
        make_netlist(plan, made, work / "yosys.log")
        progress("comparison")
        compared = found.require_equivalent(read_json(made / NETLIST_JSON))
        progress("simulation of the bitstream")
        simulated = simulate_bits(found, plan.device, rtl, board, work)
    record = {"compared": compared, "trusted": [*TRUSTED, "Yosys"], "simulated": simulated}
    return structure(to_json(record), BitsCheck, source="verify-bits")


def _require_record(bitstream: Path, config: VerifyConfig) -> None:
    """Raise unless `device.json` says all, and nothing else does."""
    for each in options_of(VerifyConfig):
        if getattr(config, each.name) != each.default:
            raise SynthesisError(
                f"{each.name}: without a board, {DEVICE_FILE} beside {bitstream.name} says it",
                remedy=f"give {named('board')}, too, or leave it out",
            )
    if not (bitstream.parent / DEVICE_FILE).exists():
        raise SynthesisError(
            f"{bitstream}: there is no {DEVICE_FILE} beside it, which says what it is for",
            remedy=f"give {named('board')}, and {named('clock_mhz')}, {named('baud')},"
            f" {named('window')} and {named('store')} where they were given",
        )


def _plan(bitstream: Path, design: Design, config: VerifyConfig) -> Plan:
    """What the file should be."""
    if config.board is None:
        _require_record(bitstream, config)
        device = load_device(bitstream.parent)
        said = device.settings
        board = find_board(device.board)
        wanted = SynthesisConfig(
            board=board,
            clock_mhz=device.clock_hz / 1e6,
            **{name: said[name] for name in ("baud", "window") if name in said},
            store=said.get("stored_images") or None,
        )
    else:
        board = find_board(config.board)
        wanted = SynthesisConfig(
            board=board,
            clock_mhz=config.clock_mhz,
            baud=config.baud,
            window=config.window,
            store=config.store,
        )
    reason = unread(board)
    if reason:
        raise SynthesisError(f"{board.name}: {reason}; its chain of equalities ends at the netlist")
    assert isinstance(board, FpgaBoard)
    return plan_bitstream(design, board, wanted)
