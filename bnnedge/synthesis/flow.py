"""The stage: RTL folder in, bitstream (or estimate) out."""

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bnnedge import tools
from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact, stage, to_json
from bnnedge.cache import failure_logs, protect_tools
from bnnedge.cost import Cost, ceil_div, index_bits, ram
from bnnedge.design import Design
from bnnedge.device import MODULES, SV_FOLDER, AxiDevice, Device, device_parameters
from bnnedge.errors import SynthesisError, ToolMissingError
from bnnedge.progress import Progress, named, silent
from bnnedge.scratch import scratch
from bnnedge.synthesis import nextpnr, vivado, yosys
from bnnedge.synthesis.boards import Board, Ecp5Board, ZynqBoard, find_board, lpf_text
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.gatelevel import check_netlist
from bnnedge.synthesis.pack import run_ecppack
from bnnedge.synthesis.plan import plan_clock, plan_device, pll_parameters

RESOURCES_FILE = "resources.json"
LOG_FOLDER = "logs"
# UART, frames and PLL around the network, without the buffer for images.
_DEVICE = Cost(combs=430)
_YOSYS_TIMEOUT_S = 3600.0
_NEXTPNR_TIMEOUT_S = 4 * 3600.0
_ECPPACK_TIMEOUT_S = 600.0
_VIVADO_TIMEOUT_S = 8 * 3600.0
_ROOM_MIB = 512
_VIVADO_ROOM_MIB = 4096
# Room that an estimate leaves on a Zynq for DMA, interconnects and registers.
_AROUND_ZYNQ = {"lut": 8_000, "ff": 10_000, "bram36": 8}


@checked
def synthesise(
    rtl: Path, config: SynthesisConfig, out: Path, *, progress: Progress = silent
) -> Artifact:
    """Make the bitstream of a design for a board, or for a Zynq all that Vivado needs for it.

    For an ECP5 board the folder holds `<name>.bit`, `netlist.v` (the very netlist that was placed,
    for the gate-level check), `device.json` (clock, baud rate, window: what a host must know),
    `pins.lpf`, `synth.ys`, `resources.json` and `logs/`; it is published only if the netlist
    equals the Dataflow on the config's images. For a Zynq: `vivado/` (the project), `device.json`,
    `resources.json` (Yosys' estimate), `synth.ys`, `logs/`; where Vivado is found, and unless the
    config forbids it, also `vivado/output/` with `<name>.bit`, `<name>.hwh` and reports, whose
    figures then are those of `resources.json`.

    Args:
        rtl: folder written by `bnnedge rtl`.
        config: board, clock, seed.
        out: folder to publish.
        progress: called with the name of each step as it begins.

    Raises:
        SynthesisError: unknown board; design too large, not routed, or slower than its clock.
        MismatchError, SimulationError: the netlist does not equal the Dataflow.
        DesignError: the RTL folder is damaged.
        ToolMissingError, ToolFailedError: of Yosys, nextpnr-ecp5, ecppack or Vivado.
    """
    board = find_board(config.board)
    design = Design.load(rtl)
    if isinstance(board, Ecp5Board):
        plan_device(design, board, config)
    else:
        vivado.plan_clock(board, config.clock_mhz)
        config = dataclasses.replace(config, vivado=config.vivado and _has_vivado())
    used = [*tools_for(board)]
    if isinstance(board, ZynqBoard) and config.vivado:
        used.append("vivado")
    for name in used:
        tools.find(name)  # a missing tool is said now, not after minutes
    protect_tools()
    if "vivado" in used:
        vivado.check_version()
    return stage(
        "synth",
        out,
        lambda folder: _write(design, board, config, rtl, folder, progress),
        config=config,
        inputs=(rtl,),
        tools=lambda: {name: tools.version(name) for name in used},
        room_mib=_VIVADO_ROOM_MIB if "vivado" in used else _ROOM_MIB,
    )


def tools_for(board: Board) -> tuple[str, ...]:
    """What a board's synthesis cannot do without, by `tools.TOOLS`'s names."""
    return ("yosys", "nextpnr-ecp5", "ecppack") if isinstance(board, Ecp5Board) else ("yosys",)


def require_clock(board: Board, clock_mhz: float) -> None:
    """Raise unless a board has that clock, or one near to it.

    Raises:
        SynthesisError: it is out of the range of the board's PLL or of its links.
    """
    if isinstance(board, Ecp5Board):
        plan_clock(board, clock_mhz, board.baud)
    else:
        vivado.plan_clock(board, clock_mhz)


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
        for source in (*design.sources, *design.memories):
            (work / source).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(rtl / source, work / source)
        if isinstance(board, ZynqBoard):
            facts = _zynq(design, board, config, rtl, work, folder, progress)
        else:
            facts = _implement(design, board, config, rtl, work, folder, progress)
    (folder / RESOURCES_FILE).write_text(
        json.dumps(to_json(facts), indent=1) + "\n", encoding="utf-8"
    )
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
    logs = _LogFolder(folder)
    seconds: dict[str, float] = {}
    with _step("yosys", seconds, progress):
        (folder / "synth.ys").write_text(script, encoding="utf-8")
        yosys.run_yosys(script, cwd=work, log=logs.open("yosys.log"), timeout_s=_YOSYS_TIMEOUT_S)
        _keep(work, folder, yosys.NETLIST_VERILOG)
        _keep(work, logs.published, "synth_ecp5.log")
        layers = yosys.cells_by_instance(work / yosys.NETLIST_JSON)
    with _step("nextpnr-ecp5", seconds, progress):
        (work / nextpnr.CONSTRAINTS).write_text(lpf_text(board), encoding="utf-8")
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


def _zynq(
    design: Design,
    board: ZynqBoard,
    config: SynthesisConfig,
    rtl: Path,
    work: Path,
    folder: Path,
    progress: Progress,
) -> Mapping[str, Any]:
    clock_hz = vivado.plan_clock(board, config.clock_mhz)
    device = AxiDevice(board=board.name, clock_hz=clock_hz, id_word=design.id_word)
    device.save(folder)
    project = folder / vivado.PROJECT_FOLDER
    vivado.write_project(design, board, rtl, clock_hz=clock_hz, folder=project)
    script = yosys.xilinx_script(design.sources, board.family)
    logs = _LogFolder(folder)
    seconds: dict[str, float] = {}
    with _step("yosys", seconds, progress):
        (folder / "synth.ys").write_text(script, encoding="utf-8")
        kinds = yosys.run_yosys(
            script, cwd=work, log=logs.open("yosys.log"), timeout_s=_YOSYS_TIMEOUT_S
        )
        _keep(work, logs.published, "synth_xilinx.log")
    estimated = xilinx_resources(kinds)
    facts = {
        "board": board.name,
        "fpga": board.device,
        "fits": fits(board, estimated),
        "device": device,
        "images_per_second": {"network": round(clock_hz / design.interval_cycles, 1)},
    }
    if not config.vivado:
        logs.publish()
        return facts | {
            "estimate": True,
            "note": "Yosys synth_xilinx of bnnedge_core alone: not placed, not routed, not timed",
            "resources": _uses(design, board, estimated),
            "seconds": seconds,
        }
    with _step("vivado", seconds, progress):
        implemented = vivado.run_vivado(
            project,
            clock_mhz=clock_hz / 1e6,
            log=logs.open("vivado.log"),
            timeout_s=_VIVADO_TIMEOUT_S,
            progress=named(progress, "vivado: "),
        )
    logs.publish()
    uses = _uses(design, board, implemented.used)
    return facts | {
        "estimate": False,
        "bitstream": f"{vivado.PROJECT_FOLDER}/{vivado.OUTPUT_FOLDER}/{design.name}.bit",
        "resources": {name: use | {"estimated": estimated[name]} for name, use in uses.items()},
        "timing": implemented.timing,
        "critical_warnings": list(implemented.critical_warnings),
        "seconds": seconds,
    }


def _uses(
    design: Design, board: ZynqBoard, used: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Used, available and percent of what the board's FPGA has, and predicted where there is."""
    predicted = xilinx_prediction(design)
    return {
        name: {
            "used": used.get(name, 0),
            "available": available,
            "percent": round(100 * used.get(name, 0) / available, 1),
            **({"predicted": predicted[name]} if name in predicted else {}),
        }
        for name, available in board.totals.items()
    }


def xilinx_prediction(design: Design) -> dict[str, int]:
    """What an estimate will hardly exceed, before synthesis, from the cost model of an ECP5.

    A LUT6 does at least what a COMB does, and a RAMB36 holds two DP16KD. Measured, no bound:
    docs/vivado.md has both beside Yosys.
    """
    return {"lut": design.combs, "bram36": ceil_div(design.block_rams, 2)}


def fits(board: ZynqBoard, estimated: Mapping[str, float]) -> bool:
    """Whether an estimate of the network leaves room for what goes around it."""
    return all(
        estimated[name] + _AROUND_ZYNQ.get(name, 0) <= available
        for name, available in board.totals.items()
    )


def xilinx_resources(kinds: Mapping[str, int]) -> dict[str, int]:
    """Xilinx cells by what they cost: lut, ff, carry4, carry8, bram36 (rounded up), dsp.

    A RAM32M takes four LUTs, a RAM64M four, a RAM32X1D or RAM64X1D two, an SRL one (UG474); a
    RAM32M16 or RAM64M8 eight (UG574). Yosys maps carries to CARRY4 for UltraScale+ too, where two
    are a CARRY8.
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
        "RAM32M16": 8,
        "RAM64M8": 8,
    }

    def count(*names: str) -> int:
        return sum(kinds.get(name, 0) for name in names)

    return {
        "lut": sum(kinds.get(kind, 0) * cost for kind, cost in luts.items()),
        "ff": count("FDRE", "FDSE", "FDCE", "FDPE"),
        "carry4": count("CARRY4"),
        "carry8": -(-count("CARRY4") // 2),
        "bram36": count("RAMB36E1", "RAMB36E2") + -(-count("RAMB18E1", "RAMB18E2") // 2),
        "dsp": count("DSP48E1", "DSP48E2"),
    }


class _LogFolder:
    """Where a run's logs go: a folder that outlives a failure, then the published one."""

    def __init__(self, folder: Path) -> None:
        self._kept = failure_logs()
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
