"""What a build found, gathered from its artifacts for the report and the command line."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bnnedge
from bnnedge.arrays import read_npz
from bnnedge.artifacts import Artifact
from bnnedge.dataflow import INPUT, Dataflow, IntegerMvu, XnorMvu
from bnnedge.design import LEAST_FIFO_WORDS, Design, KernelInstance
from bnnedge.families import FAMILIES
from bnnedge.reports import data as report
from bnnedge.reports.data import Check, ReportData, Verdict

_EXAMPLES = 16


@dataclass(frozen=True, kw_only=True)
class BuiltStage:
    """A stage of a build.

    Attributes:
        name: its verb, and its folder in the build's.
        artifact: what it published.
        reused: it was up to date.
    """

    name: str
    artifact: Artifact
    reused: bool

    @property
    def wall_s(self) -> float:
        """Seconds that the stage took when it ran."""
        return self.artifact.wall_s


def checks(stages: Mapping[str, BuiltStage]) -> tuple[Check, ...]:
    """Every equality that the stages so far have established."""
    found: list[Check] = []
    for name, stage in stages.items():
        if name in _CHECKS:
            found += _CHECKS[name](stage.artifact.facts)
    return tuple(found)


def failed_check(name: str, reason: str) -> Check:
    """The check on which the stage called `name` stopped."""
    left, right = _SIDES.get(name, ("the stage before", name))
    return Check(left=left, right=right, compared="integers", verdict=Verdict.FAILED, reason=reason)


_SIDES = {
    "export": ("PyTorch", "QONNX"),
    "lower": ("QONNX", "Dataflow"),
    "fifos": ("Dataflow", "RTL"),
    "simulate": ("Dataflow", "RTL"),
    "synth": ("Dataflow", "netlist"),
    "deploy": ("Dataflow", "simulated board"),
}


_BOARD_CHECK = Check(
    left="simulated board",
    right="board",
    compared="results of the driver",
    verdict=Verdict.NOT_RUN,
    reason="no board was connected",
)


def _equal(left: str, right: str, compared: str, **counts: Any) -> Check:
    return Check(left=left, right=right, compared=compared, verdict=Verdict.PASSED, **counts)


def _export_checks(facts: Mapping[str, Any]) -> list[Check]:
    return [
        _equal(
            "PyTorch",
            "QONNX",
            "every layer's output and the logits, test and adversarial images",
            images=facts["test_images"] + facts["adversarial_inputs"],
            values=facts["numbers_compared"],
        ),
        _equal(
            "PyTorch",
            "QONNX",
            "BatchNorm and sign of every channel at every reachable accumulator",
            values=facts["channel_accumulator_pairs_compared"],
        ),
    ]


def _lower_checks(facts: Mapping[str, Any]) -> list[Check]:
    sides = {
        "original": ("QONNX", "Dataflow", "random and adversarial inputs"),
        "reference": ("QONNX", "Dataflow", "test and adversarial images"),
        "pytorch": ("PyTorch", "Dataflow", "accumulators and logits, test and adversarial images"),
        "finn": ("Dataflow", "FINN graph", "accumulators"),
    }
    return [
        _equal(*sides[side], images=counts["images"], values=counts.get("outputs"))
        for side, counts in facts["checks"].items()
        if side in sides
    ]


def _simulate_checks(facts: Mapping[str, Any]) -> list[Check]:
    return [
        _equal(
            "Dataflow",
            "RTL",
            "accumulators" if facts["elements"] > 1 else "classes",
            images=run["images"],
            values=run["images"] * facts["elements"],
            stalls=_stalls(run),
        )
        for run in facts["runs"]
    ]


def _stalls(run: Mapping[str, Any]) -> str:
    """A probability, or the name of a stall pattern."""
    return run["name"] if run["stall"] is None else f"{run['stall']:g}"


def interval_error(facts: Mapping[str, Any]) -> float:
    """Relative error of the predicted cycles/image."""
    measured: float = facts["interval_cycles"]
    predicted: int = facts["predicted_interval_cycles"]
    return abs(measured / predicted - 1)


def _synth_checks(facts: Mapping[str, Any]) -> list[Check]:
    gate = facts.get("gate_level")
    if gate is None:
        return []
    return [_equal("Dataflow", "netlist", gate["compared"], images=gate["images"])]


def _deploy_checks(facts: Mapping[str, Any]) -> list[Check]:
    return [
        _equal(
            "Dataflow",
            "simulated board",
            "results of the packaged driver",
            images=facts["images"],
        )
    ]


_CHECKS = {
    "export": _export_checks,
    "lower": _lower_checks,
    "simulate": _simulate_checks,
    "synth": _synth_checks,
    "deploy": _deploy_checks,
}


def report_data(
    name: str,
    stages: Mapping[str, BuiltStage],
    *,
    commands: Sequence[tuple[str, str]],
    failure: Check | None = None,
) -> ReportData:
    """The report on the stages that ran.

    Args:
        name: of the network.
        stages: by verb, in the order in which they ran.
        commands: (command line, comment) pairs that reproduce the build.
        failure: the check on which the build stopped.
    """
    facts = {key: stage.artifact.facts for key, stage in stages.items()}
    folder = {key: stage.artifact.folder for key, stage in stages.items()}
    dataflow = Dataflow.load(folder["lower"]) if "lower" in folder else None
    record = json.loads((folder["train"] / "checkpoint.json").read_text(encoding="utf-8"))
    simulated = facts.get("simulate")
    design = Design.load(folder["rtl"]) if "rtl" in folder else None
    return ReportData(
        network=name,
        topology=None if dataflow is None else _topology(dataflow),
        dataset=record["dataset"]["name"],
        version=bnnedge.__version__,
        board=_board(facts),
        pipeline=None
        if dataflow is None or design is None
        else _pipeline(dataflow, design, simulated),
        accuracy=_accuracy(record, facts["train"], dataflow, folder.get("export")),
        checks=(*checks(stages), *(() if failure is None else (failure,)), _BOARD_CHECK),
        synthesis=_synthesis(facts),
        examples=()
        if dataflow is None
        else _examples(dataflow, folder["export"], record["classes"]),
        streams=() if simulated is None else _streams(simulated),
        fifos=() if design is None else _fifos(design, facts.get("fifos"), simulated),
        simulation=None
        if simulated is None
        else report.SimulationSpeed(
            images=simulated["images"],
            cycles=simulated["runs"][0]["cycles"],
            wall_s=simulated["runs"][0]["wall_s"],
        ),
        stages=tuple(
            report.StageTime(name=stage.name, wall_s=stage.wall_s, reused=stage.reused)
            for stage in stages.values()
        ),
        tools=_tools(stages),
        files=_files(stages),
        commands=tuple(report.Command(command=line, comment=why) for line, why in commands),
        not_run=(
            report.NotRun(
                step="The board itself",
                reason="no board was connected; its device was simulated instead",
            ),
            *_estimates(facts),
        ),
        edited=tuple(sorted({name for stage in stages.values() for name in stage.artifact.edited})),
    )


def _estimates(facts: Mapping[str, Mapping[str, Any]]) -> list[report.NotRun]:
    """What only Vivado could tell."""
    if facts.get("synth", {}).get("estimate"):
        reason = "Vivado was not found; its project is in synth/vivado, Yosys estimates the logic"
        return [report.NotRun(step="Bitstream, place and route", reason=reason)]
    if "estimate" not in facts:
        return []
    reason = "no open place and route exists for it; Yosys estimates the logic"
    return [report.NotRun(step="The XC7Z020 figures in hardware", reason=reason)]


def _topology(dataflow: Dataflow) -> str:
    """The input's size and every layer's outputs, e.g. "784-64-10" or "28x28x1-20-10"."""
    size = "x".join(map(str, dataflow.input.output_shape))
    return "-".join([size, *(str(mvu.mh) for mvu in dataflow.mvus)])


def _test_set(export: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The real images and their labels in an export folder."""
    arrays = read_npz(export / "reference.npz", ("inputs", "labels"))
    real = arrays["labels"] >= 0
    return arrays["inputs"][real], arrays["labels"][real]


def _accuracy(
    record: Mapping[str, Any],
    trained: Mapping[str, Any],
    dataflow: Dataflow | None,
    export: Path | None,
) -> report.Accuracy:
    confusion: tuple[tuple[int, ...], ...] = ()
    if dataflow is not None and export is not None:
        inputs, labels = _test_set(export)
        counts = np.zeros((len(record["classes"]),) * 2, np.int64)
        np.add.at(counts, (labels, dataflow.classify(inputs)), 1)
        confusion = tuple(tuple(map(int, row)) for row in counts)
    return report.Accuracy(
        test=trained["test_accuracy"],
        images=trained["test_images"],
        classes=tuple(record["classes"]),
        confusion=confusion,
        history=tuple(
            report.Epoch(
                epoch=epoch["epoch"],
                train_loss=epoch["loss"],
                validation_accuracy=epoch["validation_accuracy"],
            )
            for epoch in record["history"]
        ),
        selected_epoch=trained["best_epoch"],
    )


def _examples(
    dataflow: Dataflow, export: Path, classes: Sequence[str]
) -> tuple[report.Example, ...]:
    """The first test images, where an input is a grey picture, or a row that can be a square."""
    sizes = [size for size in dataflow.input.input_shape if size > 1]
    height, width = sizes if len(sizes) == 2 else [math.isqrt(dataflow.input.elements)] * 2
    if len(sizes) > 2 or height * width != dataflow.input.elements:
        return ()
    inputs, labels = _test_set(export)
    inputs, labels = inputs[:_EXAMPLES], labels[:_EXAMPLES]
    largest = max(1.0, float(inputs.max()))
    grey = (inputs.reshape(len(inputs), -1) * (255 / largest)).astype(np.uint8)
    return tuple(
        report.Example(
            pixels=pixels.tobytes(),
            height=height,
            width=width,
            predicted=classes[guess],
            expected=classes[label],
        )
        for pixels, guess, label in zip(grey, dataflow.classify(inputs), labels, strict=True)
    )


def _board(facts: Mapping[str, Mapping[str, Any]]) -> report.Board | None:
    synth = facts.get("synth")
    if synth is None:
        return None
    device = synth["device"]
    return report.Board(
        name=synth["board"],
        device=synth["fpga"],
        clock_mhz=device["clock_hz"] / 1e6,
        fmax_mhz=None if synth["estimate"] else synth["timing"]["reached_mhz"],
        link=synth["link"],
        link_images_per_second=synth["images_per_second"].get("serial_line"),
    )


def _synthesis(facts: Mapping[str, Mapping[str, Any]]) -> tuple[report.Synthesis, ...]:
    found = []
    for name in ("synth", "estimate"):
        synth = facts.get(name)
        if synth is None:
            continue
        estimate, family = synth["estimate"], FAMILIES[synth["family"]]
        found.append(
            report.Synthesis(
                target=f"{synth['board']} ({synth['fpga']})",
                tool=f"{family.estimate}" if estimate else f"{family.flow}, placed and routed",
                totals=tuple(
                    report.ResourceUse(
                        name=family.resources[kind],
                        used=use["used"],
                        available=use["available"],
                        predicted=use.get("predicted"),
                    )
                    for kind, use in synth["resources"].items()
                ),
                estimate=estimate,
                fmax_mhz=None if estimate else synth["timing"]["reached_mhz"],
                layers=tuple(
                    report.LayerResources(layer=layer, used=tuple(family.used_by(cells)))
                    for layer, cells in synth.get("cells_by_instance", {}).items()
                ),
            )
        )
    return tuple(found)


def _pipeline(
    dataflow: Dataflow, design: Design, simulated: Mapping[str, Any] | None
) -> report.Pipeline:
    nodes = {node.name: node for node in dataflow.nodes}
    streams = dataflow.streams()
    widths = _stream_widths(design)
    kernels = {kernel.node: kernel for kernel in design.kernels}
    layers = []
    for layer in design.layers:
        node = nodes[layer.name]
        mvu = node if isinstance(node, XnorMvu | IntegerMvu) else None
        kernel = kernels.get(layer.name)
        links = []
        for number, source in enumerate(dataflow.sources[layer.name]):
            host = source == INPUT
            stream = kernel.inputs[number] if kernel is not None else layer.stream
            links.append(
                report.Link(
                    source=None if host else source,
                    width_bits=design.input_width_bits if host else widths[stream],
                    elements=streams[source].elements,
                    element=str(streams[source].element),
                    beats=design.input_beats if host else None,
                )
            )
        layers.append(
            report.Layer(
                name=layer.name,
                kernel=layer.kernel,
                inputs=tuple(links),
                shape=streams[layer.name].shape,
                predicted_cycles=layer.cycles_per_image,
                rows=None if mvu is None else mvu.mh,
                columns=None if mvu is None else mvu.mw,
                pe=None if mvu is None else layer.pe,
                simd=None if mvu is None else layer.simd,
                thresholded=None if mvu is None else mvu.thresholds is not None,
                weight_bits=None if mvu is None else layer.weight_bits,
            )
        )
    last = streams[layers[-1].name]
    return report.Pipeline(
        layers=tuple(layers),
        output=report.Link(
            source=layers[-1].name,
            width_bits=design.output_width_bits,
            elements=last.elements,
            element=str(last.element),
            beats=design.output_beats,
        ),
        encoding=dataflow.input.name,
        inputs=dataflow.input.elements,
        input_bits=dataflow.input.features * dataflow.input.stream.element.width_bits,
        answer=f"class from {dataflow.mvus[-1].mh} accumulators"
        if design.output_signed
        else "class",
        predicted_interval_cycles=design.interval_cycles,
        measured_interval_cycles=None if simulated is None else simulated["interval_cycles"],
        latency_cycles=None if simulated is None else simulated["runs"][0]["latency_cycles"],
    )


def _stream_widths(design: Design) -> Mapping[str | None, int]:
    """Bits of a beat, by the streams' names."""
    widths: dict[str | None, int] = {None: design.input_width_bits}
    for kernel in design.kernels:
        widths |= dict.fromkeys(kernel.outputs, kernel.width_bits)
    return widths


def _fifos(
    design: Design, sized: Mapping[str, Any] | None, simulated: Mapping[str, Any] | None
) -> tuple[report.Fifo, ...]:
    """The FIFOs of `design`, with the facts of their sizing and of the simulation."""
    producers, consumers = design.producers, design.consumers
    guesses = {fifo["name"]: fifo["first_guess_words"] for fifo in (sized or {}).get("fifos", ())}
    high_water: dict[str, list[report.HighWater]] = {fifo.name: [] for fifo in design.fifos}
    for run in () if simulated is None else _at_ends(simulated):
        for fill in run["fifos"]:
            high_water[fill["name"]].append(
                report.HighWater(stalls=run["stall"], words=fill["high_water_words"])
            )
    return tuple(
        report.Fifo(
            name=fifo.name,
            producer=producers[fifo.inputs[0]].name,
            consumer=consumers[fifo.outputs[0]].name,
            width_bits=fifo.width_bits,
            depth_words=fifo.depth_words or 0,
            storage=_storage(fifo),
            first_guess_words=guesses.get(fifo.name),
            high_water=tuple(high_water[fifo.name]),
        )
        for fifo in design.fifos
    )


def _storage(fifo: KernelInstance) -> report.Storage:
    if fifo.block_rams:
        return report.Storage.BLOCK_RAM
    return (
        report.Storage.REGISTERS if fifo.depth_words == LEAST_FIFO_WORDS else report.Storage.LUT_RAM
    )


def _at_ends(simulated: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The runs in which only the two ends were held up, or nothing."""
    return (run for run in simulated["runs"] if run["stall"] is not None)


def _streams(simulated: Mapping[str, Any]) -> tuple[report.StreamActivity, ...]:
    hardest = {stream["name"]: stream for stream in simulated["streams"]}
    return tuple(
        report.StreamActivity(
            stream=stream["name"],
            moving=stream["transfers"],
            blocked=stream["stalled_cycles"],
            starved=stream["starved_cycles"],
            idle=stream["cycles"]
            - sum(stream[kind] for kind in ("transfers", "stalled_cycles", "starved_cycles")),
            stalls=run["stall"],
            most_blocked=hardest.get(stream["name"], {}).get("blocked"),
            most_starved=hardest.get(stream["name"], {}).get("starved"),
        )
        for run in _at_ends(simulated)
        for stream in run["activity"]
    )


def _tools(stages: Mapping[str, BuiltStage]) -> tuple[report.Tool, ...]:
    versions: dict[str, str] = {}
    for stage in stages.values():
        versions |= stage.artifact.tools
    return tuple(report.Tool(name=name, version=version) for name, version in versions.items())


def _files(stages: Mapping[str, BuiltStage]) -> tuple[report.FileDigest, ...]:
    """The files that a person looks for."""
    wanted = (".onnx", ".bit", "dataflow.json", "weights.npz", "bnnedge_core.sv", "netlist.v")
    return tuple(
        report.FileDigest(
            path=f"{name}/{path}",
            sha256=digest,
            size_bytes=(stage.artifact.folder / path).stat().st_size,
        )
        for name, stage in stages.items()
        if name in ("export", "lower", "rtl", "synth")
        for path, digest in stage.artifact.files.items()
        if path.endswith(wanted) and not path.startswith("dataflow/")
    )
