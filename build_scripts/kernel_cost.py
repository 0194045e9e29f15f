#!/usr/bin/env python3
"""Measure what the XNOR MVU costs and print it as a markdown table.

    .venv/bin/python build_scripts/kernel_cost.py

A 64x64 layer with accumulator outputs and random weights, at two foldings and with both kinds of
weight memory. ECP5 figures are placed and routed on an LFE5U-25F (speed grade 6, out of context),
Fmax with five seeds of the placer; xc7 figures are Yosys's netlist. Beside them the published
figures of the same unit on a Zynq-7000 (Vivado; arXiv 2201.11409), which are the ones to be below.
Takes ten minutes of CPU time.
"""

import json
import re
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnnedge import tools
from bnnedge.dataflow import XnorMvu
from bnnedge.families.ecp5 import Ecp5 as Family
from bnnedge.hardware.kernels import SV_FOLDER, XnorMvuKernel

MATRIX = 64
TARGET_MHZ = 250
SEED = 1
PLACER_SEEDS = range(1, 6)
PUBLISHED = {16: ("993 / 1009", "1494 / 1702"), 32: ("2142 / 2018", "2950 / 2421")}


@dataclass(frozen=True, kw_only=True)
class Ecp5:
    """Placed and routed: COMB cells are LUT4s, those in carry chains and LUT RAM included."""

    comb: int
    ffs: int
    block_rams: int
    fmax_mhz: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Xc7:
    """Yosys's netlist; `luts` counts LUT RAM and shift registers too."""

    luts: int
    carry4s: int
    ffs: int
    block_rams: float


def write_design(lanes: int, *, block_rom: bool, folder: Path) -> None:
    """The MVU with PE = SIMD = `lanes`, wrapped with its parameters bound, and its weights."""
    weights = np.random.default_rng(SEED).integers(0, 2, (MATRIX, MATRIX), dtype=np.uint8)
    node = XnorMvu(name="mvu", weights=weights)
    kernel = XnorMvuKernel(node=node, pe=lanes, simd=lanes)
    for name, text in kernel.memory_texts.items():
        (folder / name).write_text(text)
    parameters = {**kernel.parameters, "BlockRom": int(block_rom)}
    bound = ", ".join(
        f'.{key}("{value}")' if isinstance(value, str) else f".{key}({value})"
        for key, value in parameters.items()
    )
    (folder / "top.sv").write_text(
        "module top (\n"
        "  input logic clk_i, rst_ni, in_valid_i, out_ready_i,\n"
        f"  input logic [{kernel.in_bits - 1}:0] in_data_i,\n"
        "  output logic in_ready_o, out_valid_o,\n"
        f"  output logic [{kernel.out_bits - 1}:0] out_data_o\n"
        f");\n  xnor_mvu #({bound}) i_mvu (.*);\nendmodule\n"
    )
    for module in (kernel.module, *kernel.submodules):
        (folder / f"{module}.sv").write_text((SV_FOLDER / f"{module}.sv").read_text())


def cells(folder: Path, synthesis: str, replacements: Sequence[str] = ()) -> dict[str, int]:
    """Synthesise `folder` and count the cells by type."""
    sources = sorted(path.name for path in folder.glob("*.sv"))
    lines = [f"read_verilog -sv -defer {' '.join(sources)}", *replacements, "hierarchy -top top"]
    lines += [f"tee -q -o synth.log {synthesis}", "delete */t:$scopeinfo"]
    (folder / "run.ys").write_text("\n".join([*lines, "tee -q -o stat.json stat -json", ""]))
    tools.run(
        [tools.find("yosys"), "-q", "-s", "run.ys"],
        cwd=folder,
        log=folder / "yosys.log",
        timeout_s=600,
    )
    design = json.loads((folder / "stat.json").read_text())["design"]
    return dict(design["num_cells_by_type"])


def on_ecp5(folder: Path) -> Ecp5:
    """Synthesise, place and route with every seed."""
    Family().write_overrides(folder)
    synthesis = "synth_ecp5 -nowidelut -top top -json top.json"
    cells(folder, synthesis, Family().override_commands())
    Family().move_registers(folder / "top.json")
    Family().prepare(folder / "top.json")
    fmax_mhz = []
    for seed in PLACER_SEEDS:
        words = "--25k --package CABGA256 --out-of-context --json top.json --timing-allow-fail"
        words += f" --freq {TARGET_MHZ} --seed {seed} --report report.json"
        tools.run(
            [tools.find("nextpnr-ecp5"), *words.split()],
            cwd=folder,
            log=folder / "nextpnr.log",
            timeout_s=600,
        )
        report = json.loads((folder / "report.json").read_text())
        (clock,) = report["fmax"].values()
        fmax_mhz.append(clock["achieved"])
    used = {name: entry["used"] for name, entry in report["utilization"].items()}
    return Ecp5(
        comb=used["TRELLIS_COMB"],
        ffs=used["TRELLIS_FF"],
        block_rams=used.get("DP16KD", 0),
        fmax_mhz=tuple(fmax_mhz),
    )


def on_xc7(folder: Path) -> Xc7:
    """Synthesise."""
    count = cells(folder, "synth_xilinx -family xc7 -flatten -noiopad -top top")

    def total(pattern: str) -> int:
        return sum(number for name, number in count.items() if re.fullmatch(pattern, name))

    return Xc7(
        luts=total(r"LUT\d|INV|SRL\w+") + 4 * total("RAM32M|RAM64M"),
        carry4s=total("CARRY4"),
        ffs=total(r"FD\wE"),
        block_rams=total("RAMB36E1") + total("RAMB18E1") / 2,
    )


def main() -> None:
    """Measure everything and print the table."""
    print(
        "| PE x SIMD | weights in | ECP5 LUT4 (COMB) | ECP5 FF | DP16KD | ECP5 Fmax, median (best)"
        " | xc7 LUT | CARRY4 | xc7 FF | RAMB36 | published RTL LUT / FF | published HLS LUT / FF |"
    )
    print("|" + "---|" * 12)
    for lanes in (16, 32):
        for block_rom in (True, False):
            with tempfile.TemporaryDirectory(prefix="kernel-cost-", dir=Path.cwd()) as name:
                folder = Path(name)
                write_design(lanes, block_rom=block_rom, folder=folder)
                ecp5, xc7 = on_ecp5(folder), on_xc7(folder)
            rtl, hls = PUBLISHED[lanes]
            print(
                f"| {lanes}x{lanes} | {'block RAM' if block_rom else 'logic'} | {ecp5.comb}"
                f" | {ecp5.ffs} | {ecp5.block_rams} | {statistics.median(ecp5.fmax_mhz):.0f}"
                f" ({max(ecp5.fmax_mhz):.0f}) MHz | {xc7.luts} | {xc7.carry4s}"
                f" | {xc7.ffs} | {xc7.block_rams:g} | {rtl} | {hls} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
