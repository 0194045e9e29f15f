#!/usr/bin/env python3
"""Measure what the XNOR MVU costs and print it as a markdown table.

    .venv/bin/python build_scripts/kernel_cost.py                     # 64x64: ten minutes of CPU
    .venv/bin/python build_scripts/kernel_cost.py --published FOLDER  # beside another's: 20 minutes

Random weights, accumulator outputs, both kinds of weight memory. ECP5 figures are placed and routed
on an LFE5U (speed grade 6, out of context), Fmax with five seeds of the placer; xc7 figures are
Yosys's netlist. FOLDER is a clone of github.com/asadalam/FINN_MatrixVector_RTL, the sources of
arXiv 2201.11409: matrix and folding are then those of its first table, its RTL goes through the
same tools, and its figures with Vivado stand beside. Its weight memory is written here, as its
generators do: a synchronous memory a PE, in the same style as ours.
"""

import argparse
import functools
import json
import re
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnnedge import tools
from bnnedge.dataflow import XnorMvu
from bnnedge.families.ecp5 import Ecp5 as Family
from bnnedge.hardware.kernels import SV_FOLDER, XnorMvuKernel

TARGET_MHZ = 250
SEED = 1
PLACER_SEEDS = range(1, 6)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Columns and rows of a matrix, PE = SIMD = `lanes`; LUT / FF of the published RTL and HLS."""

    columns: int
    rows: int
    lanes: int
    published: str = ""

    def __str__(self) -> str:
        return f"{self.columns}x{self.rows} at {self.lanes}x{self.lanes}"


OURS = [Shape(columns=64, rows=64, lanes=lanes) for lanes in (16, 32)]
PUBLISHED = [Shape(columns=512, rows=32, lanes=16, published="993 / 1009, 1494 / 1702")]


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


def write_design(shape: Shape, *, block_rom: bool, folder: Path) -> str:
    """The MVU, wrapped with its parameters bound, and its weights; how Yosys reads it."""
    bits = np.random.default_rng(SEED).integers(0, 2, (shape.rows, shape.columns), dtype=np.uint8)
    node = XnorMvu(name="mvu", weights=bits)
    kernel = XnorMvuKernel(node=node, pe=shape.lanes, simd=shape.lanes)
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
        shutil.copyfile(SV_FOLDER / f"{module}.sv", folder / f"{module}.sv")
    return "read_verilog -sv -defer"


def write_published(shape: Shape, sources: Path, *, block_rom: bool, folder: Path) -> str:
    """The published unit, wrapped in the same way, and weights; how Yosys reads it."""
    lanes, words = shape.lanes, shape.columns * shape.rows // shape.lanes**2
    sum_bits = shape.columns.bit_length()
    style = "block" if block_rom else "logic"
    random = np.random.default_rng(SEED)
    memories = ""
    for pe in range(lanes):
        text = "".join(f"{word:x}\n" for word in random.integers(0, 2**lanes, words))
        (folder / f"weights_{pe}.mem").write_text(text)
        memories += (
            f'  (* rom_style = "{style}" *) logic [SIMD*TW-1:0] m{pe} [WMEM_DEPTH];\n'
            f'  initial $readmemh("weights_{pe}.mem", m{pe});\n'
            f"  always_ff @(posedge aclk) wmem_out[{pe}] <= m{pe}[wmem_addr];\n"
        )
    (folder / "top.sv").write_text(
        "module mvau_weight_mem_merged #(\n"
        "  parameter int SIMD, PE, TW, WMEM_DEPTH, WMEM_ADDR_BW\n"
        ") (\n"
        "  input logic aclk, input logic [WMEM_ADDR_BW-1:0] wmem_addr,\n"
        f"  output logic [SIMD*TW-1:0] wmem_out [0:PE-1]\n);\n{memories}endmodule\n"
        "module top (\n"
        "  input logic aclk, aresetn, in_v, rready,\n"
        f"  input logic [{lanes - 1}:0] in,\n"
        "  output logic wready, out_v,\n"
        f"  output logic [{lanes * sum_bits - 1}:0] out\n"
        ");\n"
        f"  mvau #(.KDim(1), .IFMCh({shape.columns}), .OFMCh({shape.rows}), .IFMDim(1),\n"
        f"    .OFMDim(1), .MatrixW({shape.columns}), .MatrixH({shape.rows}), .SIMD({lanes}),\n"
        f"    .PE({lanes}), .WMEM_DEPTH({words}), .TSrcI(1), .TSrcI_BIN(1), .TI({lanes}), .TW(1),\n"
        f"    .TW_BIN(1), .TDstI({sum_bits}), .TO({lanes * sum_bits}), .TA({sum_bits})\n"
        "  ) i_mvau (.*);\nendmodule\n"
    )
    for path in (sources / "proj" / "src" / "mvau_top").rglob("*.sv"):
        shutil.copyfile(path, folder / path.name)
    return "read_slang --top top --threads 1"


def cells(
    folder: Path, reading: str, synthesis: Sequence[str], replacements: Sequence[str] = ()
) -> dict[str, int]:
    """Synthesise `folder` and count the cells by type."""
    sources = sorted(path.name for path in folder.glob("*.sv"))
    lines = [f"{reading} {' '.join(sources)}", *replacements, "hierarchy -top top"]
    lines += [*synthesis, "delete */t:$scopeinfo", "write_json top.json"]
    (folder / "run.ys").write_text("\n".join([*lines, "tee -q -o stat.json stat -json", ""]))
    tools.run(
        [tools.find("yosys"), "-q", "-s", "run.ys"],
        cwd=folder,
        log=folder / "yosys.log",
        timeout_s=600,
    )
    design = json.loads((folder / "stat.json").read_text())["design"]
    return dict(design["num_cells_by_type"])


def on_ecp5(folder: Path, reading: str) -> Ecp5:
    """Synthesise, place and route with every seed."""
    Family().write_overrides(folder)
    cells(folder, reading, Family().synthesis_commands("top"), Family().override_commands())
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


def on_xc7(folder: Path, reading: str) -> Xc7:
    """Synthesise."""
    synthesis = "synth_xilinx -family xc7 -flatten -noiopad -top top"
    count = cells(folder, reading, [f"tee -q -o synth.log {synthesis}"])

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
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--published", type=Path, metavar="FOLDER")
    published = parser.parse_args().published
    units: dict[str, Callable[..., str]] = {"ours": write_design}
    if published:
        units["published"] = functools.partial(write_published, sources=published)
    print(
        "| matrix, PE x SIMD | weights in | RTL | ECP5 COMB | FF | DP16KD | Fmax, median (best)"
        " | xc7 LUT | CARRY4 | FF | RAMB36 |"
        + (" with Vivado LUT / FF: RTL, HLS |" if published else "")
    )
    print("|" + "---|" * (12 if published else 11))
    for shape in PUBLISHED if published else OURS:
        for block_rom in (True, False):
            for name, write in units.items():
                with tempfile.TemporaryDirectory(prefix="kernel-cost-", dir=Path.cwd()) as place:
                    folder = Path(place)
                    reading = write(shape, block_rom=block_rom, folder=folder)
                    ecp5, xc7 = on_ecp5(folder, reading), on_xc7(folder, reading)
                print(
                    f"| {shape} | {'block RAM' if block_rom else 'logic'} | {name} | {ecp5.comb}"
                    f" | {ecp5.ffs} | {ecp5.block_rams} | {statistics.median(ecp5.fmax_mhz):.0f}"
                    f" ({max(ecp5.fmax_mhz):.0f}) MHz | {xc7.luts} | {xc7.carry4s}"
                    f" | {xc7.ffs} | {xc7.block_rams:g} |"
                    + (f" {shape.published if name == 'published' else ''} |" if published else ""),
                    flush=True,
                )


if __name__ == "__main__":
    main()
