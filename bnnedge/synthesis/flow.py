"""The stage: RTL folder in, bitstream (or estimate) out."""

import contextlib
import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bnnedge import tools
from bnnedge.artifacts import Artifact, stage, to_json
from bnnedge.cost import Cost, index_bits, ram
from bnnedge.design import Design
from bnnedge.device import MODULES, SV_FOLDER, Device, device_parameters
from bnnedge.errors import SynthesisError
from bnnedge.synthesis import nextpnr, yosys
from bnnedge.synthesis.boards import Board, Ecp5Board, Xc7Board, find_board, lpf_text
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.gatelevel import check_netlist
from bnnedge.synthesis.pack import run_ecppack
from bnnedge.synthesis.plan import plan_device, pll_parameters

RESOURCES_FILE = "resources.json"
LOG_FOLDER = "logs"
# UART, frames and PLL around the network, without the buffer for images.
_DEVICE = Cost(combs=430)
_YOSYS_TIMEOUT_S = 3600.0
_NEXTPNR_TIMEOUT_S = 4 * 3600.0
_ECPPACK_TIMEOUT_S = 600.0

Progress = Callable[[str], None]


def _silent(step: str) -> None:
    """The default progress callback."""


def synthesise(
    rtl: Path, config: SynthesisConfig, out: Path, *, progress: Progress = _silent
) -> Artifact:
    """Make the bitstream of a design for a board, or an estimate where no open flow exists.

    For an ECP5 board the folder holds `<name>.bit`, `netlist.v` (the very netlist that was placed,
    for the gate-level check), `device.json` (clock, baud rate, window: what a host must know),
    `pins.lpf`, `synth.ys`, `resources.json` and `logs/`; it is published only if the netlist
    equals the Dataflow on the config's images. For an estimate: `resources.json`,
    `synth.ys`, `logs/`.

    Args:
        rtl: folder written by `bnnedge rtl`.
        config: board, clock, seed.
        out: folder to publish.
        progress: called with the name of each step as it begins.

    Raises:
        SynthesisError: unknown board; design too large, not routed, or slower than its clock.
        MismatchError, SimulationError: the netlist does not equal the Dataflow.
        DesignError: the RTL folder is damaged.
        ToolMissingError, ToolFailedError: of Yosys, nextpnr-ecp5 or ecppack.
    """
    board = find_board(config.board)
    design = Design.load(rtl)
    used = ("yosys",) if isinstance(board, Xc7Board) else ("yosys", "nextpnr-ecp5", "ecppack")
    for name in used:
        tools.find(name)  # a missing tool is said now, not after minutes
    if isinstance(board, Ecp5Board):
        plan_device(design, board, config)
    return stage(
        "synth",
        out,
        lambda folder: _write(design, board, config, rtl, folder, progress),
        config=config,
        inputs=(rtl,),
        tools=lambda: {name: tools.version(name) for name in used},
    )


def _write(
    design: Design,
    board: Board,
    config: SynthesisConfig,
    rtl: Path,
    folder: Path,
    progress: Progress,
) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(prefix="work-", dir=folder) as name:
        work = Path(name)
        for source in (*design.sources, *design.memories):
            (work / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(rtl / source, work / source)
        if isinstance(board, Xc7Board):
            facts = _estimate(design, board, work, folder, progress)
        else:
            facts = _implement(design, board, config, rtl, work, folder, progress)
    (folder / RESOURCES_FILE).write_text(json.dumps(to_json(facts), indent=1) + "\n")
    return facts


def _implement(
    design: Design,
    board: Ecp5Board,
    config: SynthesisConfig,
    rtl: Path,
    work: Path,
    folder: Path,
    progress: Progress,
) -> Mapping[str, Any]:
    device, pll = plan_device(design, board, config)
    modules = (*MODULES, board.top)
    for module in modules:
        shutil.copyfile(SV_FOLDER / f"{module}.sv", work / f"{module}.sv")
    yosys.copy_ecp5_modules(work)
    script = yosys.ecp5_script(
        [*design.sources, *(f"{module}.sv" for module in modules)],
        board.top,
        {
            **pll_parameters(pll),
            **device_parameters(
                design,
                clocks_per_bit=device.clocks_per_bit,
                timeout_clocks=device.timeout_clocks,
                window=device.window,
            ),
        },
    )
    logs = _LogFolder(design, board, folder)
    seconds: dict[str, float] = {}
    with _step("yosys", seconds, progress):
        (folder / "synth.ys").write_text(script)
        yosys.run_yosys(script, cwd=work, log=logs.open("yosys.log"), timeout_s=_YOSYS_TIMEOUT_S)
        _keep(work, folder, yosys.NETLIST_VERILOG)
        _keep(work, logs.published, "synth_ecp5.log")
        layers = yosys.cells_by_instance(work / yosys.NETLIST_JSON)
    with _step("nextpnr-ecp5", seconds, progress):
        (work / nextpnr.CONSTRAINTS).write_text(lpf_text(board))
        _keep(work, folder, nextpnr.CONSTRAINTS)
        routed = nextpnr.run_nextpnr(
            board,
            clock_mhz=pll.output_mhz,
            seed=config.seed,
            cwd=work,
            log=logs.open("nextpnr.log"),
            timeout_s=_NEXTPNR_TIMEOUT_S,
        )
    timing = routed.timing
    if timing.reached_mhz < timing.requested_mhz:
        raise SynthesisError(
            f"{board.name}: wanted {timing.requested_mhz:g} MHz, the routed design reaches"
            f" {timing.reached_mhz:g} MHz",
            remedy=f"--clock-mhz {int(timing.reached_mhz * 0.95)}, or try another --seed",
        )
    bitstream = f"{design.name}.bit"
    with _step("ecppack", seconds, progress):
        run_ecppack(bitstream, cwd=work, log=logs.open("ecppack.log"), timeout_s=_ECPPACK_TIMEOUT_S)
        _keep(work, folder, bitstream)
    logs.publish()
    device.save(folder)
    facts = _ecp5_facts(design, board, device, config.seed, layers, routed, bitstream)
    if config.gate_level_images:
        with _step("gate-level check", seconds, progress):
            facts["gate_level"] = check_netlist(folder, rtl, images=config.gate_level_images)
    return facts | {"seconds": seconds}


def _ecp5_facts(
    design: Design,
    board: Ecp5Board,
    device: Device,
    seed: int,
    layers: Mapping[str, yosys.Cells],
    routed: nextpnr.Routed,
    bitstream: str,
) -> dict[str, Any]:
    kinds = {"comb": "TRELLIS_COMB", "ff": "TRELLIS_FF", "bram": "DP16KD", "dsp": "MULT18X18D"}
    buffer = ram(1 << index_bits(device.window * design.input_beats), design.input_width_bits)
    around = _DEVICE + buffer
    predicted = {
        "comb": design.combs + round(around.combs),
        "bram": design.block_rams + around.block_rams,
    }
    return {
        "board": board.name,
        "fpga": board.device,
        "estimate": False,
        "bitstream": bitstream,
        "seed": seed,
        "resources": {
            name: {
                "used": routed.usage[kind].used,
                "available": routed.usage[kind].available,
                "percent": routed.usage[kind].percent,
                **({"predicted": predicted[name]} if name in predicted else {}),
            }
            for name, kind in kinds.items()
        },
        "cells_by_instance": layers,
        "timing": routed.timing,
        "device": device,
        "images_per_second": {
            "network": round(device.clock_hz / design.interval_cycles, 1),
            "serial_line": round(_serial_images_per_second(design, device), 1),
        },
    }


def _serial_images_per_second(design: Design, device: Device) -> float:
    """What the line allows: it is full duplex, so the longer frame counts (docs/boards.md)."""
    image = 4 + design.input_beats * design.input_width_bits // 8
    result = 4 + design.output_beats * design.output_width_bits // 8
    return device.clock_hz / device.clocks_per_bit / (10 * max(image, result))


def _estimate(
    design: Design, board: Xc7Board, work: Path, folder: Path, progress: Progress
) -> Mapping[str, Any]:
    script = yosys.xc7_script(design.sources)
    logs = _LogFolder(design, board, folder)
    seconds: dict[str, float] = {}
    with _step("yosys", seconds, progress):
        (folder / "synth.ys").write_text(script)
        kinds = yosys.run_yosys(
            script, cwd=work, log=logs.open("yosys.log"), timeout_s=_YOSYS_TIMEOUT_S
        )
        _keep(work, logs.published, "synth_xilinx.log")
    logs.publish()
    used = xc7_resources(kinds)
    return {
        "board": board.name,
        "fpga": board.device,
        "estimate": True,
        "note": "Yosys synth_xilinx of bnnedge_core alone: not placed, not routed, not timed",
        "resources": {
            name: dataclasses.asdict(usage) | {"percent": usage.percent}
            for name, usage in (
                (name, nextpnr.Usage(used=used[name], available=board.totals[name]))
                for name in board.totals
            )
        },
        "seconds": seconds,
    }


def xc7_resources(kinds: Mapping[str, int]) -> dict[str, int]:
    """7-series cells by what they cost: lut, ff, carry4, bram36 (rounded up), dsp.

    A RAM32M takes four LUTs, a RAM64M four, a RAM32X1D or RAM64X1D two, an SRL one (Xilinx UG474).
    """
    luts = {f"LUT{n}": 1 for n in range(1, 7)} | {
        "INV": 1,
        "SRL16E": 1,
        "SRLC32E": 1,
        "RAM32X1D": 2,
        "RAM64X1D": 2,
        "RAM128X1D": 4,
        "RAM32M": 4,
        "RAM64M": 4,
    }
    return {
        "lut": sum(kinds.get(kind, 0) * cost for kind, cost in luts.items()),
        "ff": sum(kinds.get(kind, 0) for kind in ("FDRE", "FDSE", "FDCE", "FDPE")),
        "carry4": kinds.get("CARRY4", 0),
        "bram36": kinds.get("RAMB36E1", 0) + -(-kinds.get("RAMB18E1", 0) // 2),
        "dsp": kinds.get("DSP48E1", 0),
    }


class _LogFolder:
    """Where a run's logs go: a folder that outlives a failure, then the published one."""

    def __init__(self, design: Design, board: Board, folder: Path) -> None:
        self._kept = tools.cache_dir() / "synthesis" / f"{design.name}-{board.name}"
        self._kept.mkdir(parents=True, exist_ok=True)
        self.published = folder / LOG_FOLDER
        self.published.mkdir()

    def open(self, name: str) -> Path:
        """Path for a tool's log."""
        return self._kept / name

    def publish(self) -> None:
        """Move the logs into the artifact."""
        for path in self._kept.glob("*.log"):
            shutil.copyfile(path, self.published / path.name)
        shutil.rmtree(self._kept)


@contextlib.contextmanager
def _step(name: str, seconds: dict[str, float], progress: Progress) -> Iterator[None]:
    """Announce a step and note how long it took."""
    progress(name)
    start = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - start, 1)


def _keep(work: Path, folder: Path, name: str) -> None:
    shutil.copyfile(work / name, folder / name)
