"""What whole networks cost, with random weights: `network_cost.py COMMAND`."""

import json
import math
import shutil
import statistics
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import onnx
import torch

from bnnedge import tools
from bnnedge.boards import find_board
from bnnedge.cache import protect_tools
from bnnedge.data.encodings import Encoding, IntegerEncoding, OneBitThreshold
from bnnedge.dataflow import Dataflow, LutLayer, ThresholdEncoding, XnorMvu
from bnnedge.design import TOP_MODULE, Design
from bnnedge.equality import Judge
from bnnedge.exporter.facts import REFERENCE_FILE
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.families.ecp5 import Ecp5
from bnnedge.families.placed import (
    NETLIST_JSON,
    NETLIST_VERILOG,
    REPORT,
    STATISTICS,
    FpgaBoard,
)
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.emit import read_network
from bnnedge.hardware.kernels import SV_FOLDER, UnrolledKernel
from bnnedge.hardware.unrolled.graph import FALSE, Graph
from bnnedge.hardware.unrolled.sums import reaches
from bnnedge.hardware.unrolled.verilog import SUBMODULES, pipeline_text
from bnnedge.links.axi import AXI_TOP_MODULE, AxiDevice, axi_parameters
from bnnedge.lowering import LoweringConfig, lower_model
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.zoo import build_network
from bnnedge.synthesis import synthesise
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.nextpnr import run_nextpnr
from bnnedge.synthesis.place import copy_design, make_netlist
from bnnedge.synthesis.plan import plan_bitstream
from bnnedge.synthesis.yosys import run_yosys
from bnnedge.verilated.drive import Drive
from bnnedge.verilated.ports import StreamPorts
from bnnedge.verilated.stream import StreamModel

_GREY, _COLOUR = (1, 28, 28), (3, 32, 32)
# Images/s at 100 MHz, and the clock in MHz that place and route has to reach.
_PLACED = (
    (Topology.LENET5, _GREY, 2000),
    (Topology.CNV, _COLOUR, 1000),
    (Topology.NIN, _COLOUR, 500),
)
_CLOCK_MHZ = 50.0
# FINN's published folding of CNV: (PE, SIMD) of six convolutions and three dense layers.
_FINN = ((16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32), (1, 4), (1, 8), (5, 1))
_PIXELS = OneBitThreshold(threshold=64.0)
# Published by FINN: images/s at a clock in MHz, LUTs of the whole design. SFC-max: Umuroglu et al.
# 2017, on a ZC706; LFC and CNV: BNN-PYNQ, on a Pynq-Z1.
_PUBLISHED = (
    (Topology.CNV, _COLOUR, IntegerEncoding(), 3_040, 100, 28_500),
    (Topology.LFC, _GREY, _PIXELS, 168_000, 100, 30_600),
    (Topology.SFC, _GREY, _PIXELS, 12_361_000, 200, 91_131),
)
_DMA_LUTS = 4_000  # allowed for an AXI DMA and its interconnects


_SEEDS = range(1, 6)
_TIMEOUT_S = 4 * 3600.0
_ALKAID = "alkaid==0.8.2"  # another version is another peer


@click.group()
def main() -> None:
    """Measure the cost of networks with random weights."""


@main.command()
@click.argument("names", nargs=-1, type=click.Choice([t.value for t, _, _ in _PLACED]))
def placed(names: tuple[str, ...]) -> None:
    """Predicted and placed on an ECP5-85F; half an hour for all."""
    print("| network | cycles/image | LUT4 predicted | placed | DP16KD predicted | placed | Fmax |")
    print("|" + "---|" * 7)
    for topology, shape, fps in _PLACED:
        if names and topology.value not in names:
            continue
        with TemporaryDirectory() as name:
            folder = Path(name)
            _lower(topology, shape, folder / "dataflow", IntegerEncoding())
            emit(folder / "dataflow", RtlConfig(target_fps=fps), folder / "rtl")
            facts = _synthesise(folder, "ulx3s-85f")
            cycles = Design.load(folder / "rtl").interval_cycles
        comb, bram = facts["resources"]["comb"], facts["resources"]["bram"]
        error = 100 * (comb["predicted"] / comb["used"] - 1)
        print(
            f"| {topology.value} | {cycles} | {comb['predicted']} ({error:+.1f} %) | {comb['used']}"
            f" | {bram['predicted']} | {bram['used']} | {facts['timing']['reached_mhz']:.0f} MHz |",
            flush=True,
        )


@main.command()
@click.argument("boards", nargs=-1, required=True)
def zynq(boards: tuple[str, ...]) -> None:
    """Named networks at their boards' target_fps: predicted, and as Yosys estimates them."""
    print("| board | network | `--target-fps` | LUT predicted | Yosys | RAMB36 predicted | Yosys |")
    print("|" + "---|" * 7)
    for name in boards:
        board = find_board(name)
        assert isinstance(board, ZynqBoard)
        for topology, fps in board.target_fps.items():
            flat = topology != Topology.CNV.value
            with TemporaryDirectory() as scratch:
                folder = Path(scratch)
                _lower(
                    Topology(topology),
                    _GREY if flat else _COLOUR,
                    folder / "dataflow",
                    _PIXELS if flat else IntegerEncoding(),
                )
                emit(folder / "dataflow", RtlConfig(target_fps=fps), folder / "rtl")
                facts = _synthesise(folder, name)
            cells = " | ".join(
                f"{facts['resources'][kind][figure]:,}"
                for kind in ("lut", "bram36")
                for figure in ("predicted", "used")
            )
            print(f"| `{name}` | {topology} | {fps} | {cells} |", flush=True)
            assert facts["fits"]


@main.command()
def finn() -> None:
    """CNV, LFC and SFC with the device for AXI, estimated for a Zynq-7000, beside FINN's."""
    print("| network | clocks/image | FINN's | LUT | with DMA | FINN's | images/clock per LUT |")
    print("|" + "---|" * 7)
    for topology, shape, encoding, fps, clock_mhz, luts in _PUBLISHED:
        with TemporaryDirectory() as name:
            folder = Path(name)
            dataflow = _lower(topology, shape, folder / "dataflow", encoding)
            if topology is Topology.CNV:
                folding = {
                    mvu.name: {"PE": pe, "SIMD": simd}
                    for mvu, (pe, simd) in zip(dataflow.mvus, _FINN, strict=True)
                }
                (folder / "folding.json").write_text(json.dumps(folding))
                config = RtlConfig(folding=folder / "folding.json")
            else:
                config = RtlConfig(target_fps=fps, clock_mhz=clock_mhz)
            emit(folder / "dataflow", config, folder / "rtl")
            design = Design.load(folder / "rtl")
            used = _with_axi(design, folder)["lut"]
        interval = clock_mhz * 1e6 / fps
        ratio = luts * interval / ((used + _DMA_LUTS) * design.interval_cycles)
        print(
            f"| {topology.value} | {design.interval_cycles} | {interval:.0f} | {used:,}"
            f" | {used + _DMA_LUTS:,} | {luts:,} | {ratio:.1f}x |",
            flush=True,
        )


def _with_axi(design: Design, folder: Path) -> dict[str, int]:
    """Yosys' estimate of a design and the device around it, for a Zynq-7000."""
    board = find_board("pynq-z1")
    assert isinstance(board, ZynqBoard)
    rtl = folder / "rtl"
    around = AxiDevice.sources(design)
    for source in around:
        shutil.copyfile(source, rtl / source.name)
    sources = (*design.sources, *(source.name for source in around))
    bound = " ".join(f"-set {name} {value}" for name, value in axi_parameters(design).items())
    script = f"""\
read_verilog -sv -defer {" ".join(sources)}
chparam {bound} {AXI_TOP_MODULE}
synth_xilinx -family xc7 -flatten -noiopad -top {AXI_TOP_MODULE}
delete */t:$scopeinfo
tee -q -o {STATISTICS} stat -json
"""
    kinds = run_yosys(script, cwd=rtl, log=folder / "yosys.log", timeout_s=_TIMEOUT_S)
    return board.family.count(kinds)


@main.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--board", default="ulx3s-85f")
@click.option("--clock-mhz", type=float, default=None)
def clocks(folders: tuple[Path, ...], board: str, clock_mhz: float | None) -> None:
    """Whole devices of RTL folders, placed and routed with five seeds."""
    found = find_board(board)
    assert isinstance(found, FpgaBoard)
    config = SynthesisConfig(board=found, clock_mhz=clock_mhz)
    protect_tools()
    print("| RTL | COMB | FF | DP16KD | Fmax, median (best), of each seed | slowest path's ends |")
    print("|" + "---|" * 6)
    for rtl in folders:
        plan = plan_bitstream(Design.load(rtl), found, config)
        with TemporaryDirectory() as name:
            work = Path(name)
            copy_design(plan.design, rtl, work)
            make_netlist(plan, work, work / "yosys.log")
            placed = [
                run_nextpnr(
                    found,
                    clock_mhz=plan.pll.output_mhz,
                    seed=seed,
                    cwd=work,
                    log=work / "nextpnr.log",
                    timeout_s=_TIMEOUT_S,
                )
                for seed in _SEEDS
            ]
        used = {kind: usage.used for kind, usage in placed[0].usage.items()}
        reached = [each.timing.reached_mhz for each in placed]
        path = placed[reached.index(statistics.median(reached))].timing.critical_path
        print(
            f"| {rtl} | {used['TRELLIS_COMB']} | {used['TRELLIS_FF']} | {used.get('DP16KD', 0)}"
            f" | {statistics.median(reached):.0f} ({max(reached):.0f}) MHz:"
            f" {', '.join(f'{each:.0f}' for each in reached)}"
            f" | {path[0]['to']} → {path[-1]['to']} |",
            flush=True,
        )


_DEVICE = click.option("--device", default="25k", type=click.Choice(["12k", "25k", "45k", "85k"]))
_MHZ = click.option("--mhz", default=250.0, help="What place and route aims at.")
_FOLDER = click.Path(exists=True, path_type=Path)


@main.command()
@click.argument("folders", nargs=-1, required=True, type=_FOLDER)
@_DEVICE
@_MHZ
def cores(folders: tuple[Path, ...], device: str, mhz: float) -> None:
    """Networks of RTL folders alone, between ports, placed and routed on an ECP5-6 with five seeds.

    For those whose streams are as wide as an image: no pins of a board and no link are around them.
    """
    print(_CORE_HEAD)
    for rtl in folders:
        design = Design.load(rtl)
        with TemporaryDirectory() as name:
            copy_design(design, rtl, Path(name))
            print(_core(str(rtl), Path(name), design.sources, TOP_MODULE, device, mhz), flush=True)


@main.command()
@click.argument("rtl", type=_FOLDER)
@click.argument("node")
@_DEVICE
@_MHZ
def layer(rtl: Path, node: str, device: str, mhz: float) -> None:
    """A kernel of an RTL folder whose weights are logic, alone, like `cores`."""
    kernel = next(part.kernel for part in read_network(rtl).placed if part.node == node)
    assert isinstance(kernel, UnrolledKernel)
    with TemporaryDirectory() as name:
        work = Path(name)
        (work / "layer.sv").write_text(kernel.text("layer"), encoding="utf-8")
        for module in kernel.submodules:
            shutil.copyfile(SV_FOLDER / f"{module}.sv", work / f"{module}.sv")
        sources = ("layer.sv", *(f"{module}.sv" for module in kernel.submodules))
        print(_CORE_HEAD)
        print(_core(node, work, sources, "layer", device, mhz))


@main.command()
@click.argument("folders", nargs=-1, required=True, type=_FOLDER)
@_DEVICE
@_MHZ
def encoders(folders: tuple[Path, ...], device: str, mhz: float) -> None:
    """Comparators of 8-bit pixels that make the bits which a network of an RTL folder reads.

    They are on the host, not in the network; this is what they would cost in front of it.
    """
    print(_CORE_HEAD)
    for rtl in folders:
        dataflow = Dataflow.load(rtl / "dataflow")
        encoding, first = dataflow.input, dataflow.nodes[0]
        assert isinstance(encoding, ThresholdEncoding) and not encoding.invert.any()
        live = range(encoding.features)
        if isinstance(first, LutLayer):
            live = np.unique(first.wiring).tolist()
        wanted = {(int(encoding.source[bit]), math.ceil(encoding.threshold[bit])) for bit in live}
        pixels = {pixel: place for place, pixel in enumerate(sorted({p for p, _ in wanted}))}
        graph = Graph(8 * len(pixels))
        bits = [graph.registered(bit) for bit in graph.inputs]
        graph.give(
            [
                reaches(graph, bits[8 * pixels[pixel] :][:8], FALSE, threshold)
                for pixel, threshold in sorted(wanted)
            ]
        )
        with TemporaryDirectory() as name:
            work = Path(name)
            text = pipeline_text(graph, "encoder", "Pixels to bits.")
            (work / "encoder.sv").write_text(text, encoding="utf-8")
            for module in SUBMODULES:
                shutil.copyfile(SV_FOLDER / f"{module}.sv", work / f"{module}.sv")
            sources = ("encoder.sv", *(f"{module}.sv" for module in SUBMODULES))
            what = f"{rtl}: {len(wanted)} bits of {len(pixels)} pixels"
            print(_core(what, work, sources, "encoder", device, mhz), flush=True)


@main.command()
@click.argument("rtl", type=_FOLDER)
@click.argument("node")
@click.option("--stages", multiple=True, type=int, default=(4, 6), show_default=True)
@_DEVICE
@_MHZ
def alkaid(rtl: Path, node: str, stages: tuple[int, ...], device: str, mhz: float) -> None:
    """The same layer as `layer`, built by alkaid, which an environment of its own gets from PyPI.

    Its best options: no tables of a few inputs each, with which it takes more.
    """
    mvu = next(mvu for mvu in Dataflow.load(rtl / "dataflow").mvus if mvu.name == node)
    assert isinstance(mvu, XnorMvu) and mvu.thresholds is not None
    invert = np.zeros(mvu.mh, np.uint8) if mvu.invert is None else mvu.invert
    print(_CORE_HEAD)
    with TemporaryDirectory() as name:
        scratch = Path(name)
        np.savez(
            scratch / "layer.npz", weights=mvu.weights, thresholds=mvu.thresholds, invert=invert
        )
        venv.create(scratch / "venv", with_pip=True)
        python = scratch / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", _ALKAID], check=True)
        script = Path(__file__).with_name("alkaid_layer.py")
        for count in stages:
            out = scratch / f"stages_{count}"
            subprocess.run(
                [python, script, scratch / "layer.npz", out, str(count)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            work = scratch / f"placed_{count}"
            work.mkdir()
            sources = [*out.glob("src/*.v"), *out.glob("src/static/*.v")]
            for source in sources:
                shutil.copyfile(source, work / source.name)
            names = [source.name for source in sources]
            print(_core(f"{_ALKAID}, {count} stages", work, names, "layer", device, mhz))


_CORE_HEAD = "| | COMB | FF | DP16KD | Fmax, median (best), of each seed |\n|---|---|---|---|---|"


@main.command()
@click.argument("build", type=_FOLDER)
def netlist(build: Path) -> None:
    """The mapped core of a `bnnedge build` and its Dataflow: all test images, one after another."""
    design = Design.load(build / "rtl")
    dataflow = Dataflow.load(build / "rtl" / "dataflow")
    encoded = dataflow.encode(np.load(build / "export" / REFERENCE_FILE)["inputs"])
    family = Ecp5()
    with TemporaryDirectory() as name:
        work = Path(name)
        copy_design(design, build / "rtl", work)
        _map(work, design.sources, TOP_MODULE, f"write_verilog -noattr {NETLIST_VERILOG}")
        model = StreamModel(
            sources=family.netlist_sources(work / NETLIST_VERILOG),
            top=TOP_MODULE,
            ports=StreamPorts.axi(
                in_bits=design.input_width_bits, out_bits=design.output_width_bits
            ),
            defines={"NO_INCLUDES": "1"},  # of cells that a netlist has not
            data=work,
        )
        beats = design.pack(encoded).reshape(len(encoded) * design.input_beats, -1)
        run = model.run([beats], [len(encoded) * design.output_beats], Drive())
    (received,) = run.received
    values = design.unpack(received.beats.reshape(len(encoded), -1))
    Judge(dataflow, encoded).check(values, subject="mapped core")
    print(f"{len(encoded)} images in {run.cycles} cycles, equal")


def _core(what: str, work: Path, sources: Sequence[str], top: str, device: str, mhz: float) -> str:
    """A line of the table: a module between ports, placed and routed."""
    family = Ecp5()
    _map(work, sources, top, f"write_json {NETLIST_JSON}")
    family.move_registers(work / NETLIST_JSON)
    family.prepare(work / NETLIST_JSON)
    reached = [_core_clock(work, device, mhz, seed) for seed in _SEEDS]
    report = json.loads((work / REPORT).read_text(encoding="utf-8"))
    used = {kind: cells["used"] for kind, cells in report["utilization"].items()}
    return (
        f"| {what} | {used['TRELLIS_COMB']} | {used['TRELLIS_FF']} | {used['DP16KD']}"
        f" | {statistics.median(reached):.0f} ({max(reached):.0f}) MHz:"
        f" {', '.join(f'{each:.0f}' for each in reached)} |"
    )


def _map(work: Path, sources: Sequence[str], top: str, write: str) -> None:
    """The netlist of a module between ports, in an ECP5's cells."""
    family = Ecp5()
    protect_tools()
    family.write_overrides(work)
    script = (
        f"read_verilog -sv -defer -DSYNTHESIS {' '.join(sources)}",
        *family.override_commands(),
        *family.synthesis_commands(top),
        f"tee -q -o {STATISTICS} stat -json",
        write,
    )
    log = work / "yosys.log"
    run_yosys("\n".join(script) + "\n", cwd=work, log=log, timeout_s=_TIMEOUT_S)


def _core_clock(work: Path, device: str, mhz: float, seed: int) -> float:
    arguments = ["--json", NETLIST_JSON, f"--{device}", "--package", "CABGA381", "--speed", "6"]
    arguments += ["--freq", f"{mhz:g}", "--out-of-context", "--timing-allow-fail"]
    arguments += ["--seed", str(seed), "--report", REPORT, *Ecp5.placer]
    command = [tools.find("nextpnr-ecp5"), *arguments]
    tools.run(command, cwd=work, log=work / "nextpnr.log", timeout_s=_TIMEOUT_S)
    report = json.loads((work / REPORT).read_text(encoding="utf-8"))
    (clock,) = report["fmax"].values()
    return float(clock["achieved"])


def _lower(topology: Topology, shape: tuple[int, ...], out: Path, encoding: Encoding) -> Dataflow:
    """A network whose thresholds lie where a trained one's do: around the middle."""
    torch.manual_seed(1)
    network = build_network(
        NetworkConfig(topology=topology),
        input_shape=shape,
        encoding=encoding,
        classes=10,
    ).eval()
    for layer in network.layers.values():
        mean = layer.norm.running_mean
        assert mean is not None
        torch.nn.init.normal_(mean, std=math.sqrt(layer.reachable()[-1]))
        torch.nn.init.normal_(layer.norm.weight)
    model = out.with_suffix(".onnx")
    onnx.save(to_qonnx(network), model)
    dataflow = lower_model(model, LoweringConfig()).dataflow
    out.mkdir()
    dataflow.save(out)
    return dataflow


def _synthesise(folder: Path, board: str) -> dict[str, Any]:
    config = SynthesisConfig(board=board, clock_mhz=_CLOCK_MHZ, gate_level_images=0, vivado=False)
    synthesise(folder / "rtl", config, folder / "synth")
    facts: dict[str, Any] = json.loads((folder / "synth" / "resources.json").read_text())
    return facts


if __name__ == "__main__":
    main()
