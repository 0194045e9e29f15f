"""What a report shows of hardware that has been written."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnedge.artifacts import Artifact
from bnnedge.dataflow import INPUT, Dataflow, IntegerMvu, XnorMvu
from bnnedge.design import LEAST_FIFO_WORDS, Design, KernelInstance
from bnnedge.findings import Fifo, Layer, Link, Pipeline, ReportData, Storage


def section(report: ReportData, artifact: Artifact[Any], read: tuple[Path, ...]) -> ReportData:
    """The network from the host's input to its answer, and its FIFOs, as designed."""
    design = Design.load(artifact.folder)
    dataflow = Dataflow.load(artifact.folder / "dataflow")
    guesses = {fifo.name: fifo.first_guess_words for fifo in report.fifos}
    return dataclasses.replace(
        report, pipeline=_pipeline(dataflow, design), fifos=_fifos(design, guesses)
    )


def _pipeline(dataflow: Dataflow, design: Design) -> Pipeline:
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
                Link(
                    source=None if host else source,
                    width_bits=design.input_width_bits if host else widths[stream],
                    elements=streams[source].elements,
                    element=str(streams[source].element),
                    beats=design.input_beats if host else None,
                )
            )
        layers.append(
            Layer(
                name=layer.name,
                kernel=layer.kernel,
                inputs=tuple(links),
                shape=streams[layer.name].shape,
                predicted_cycles=layer.cycles_per_image,
                rows=None if mvu is None else mvu.mh,
                columns=None if mvu is None else mvu.mw,
                pe=None if mvu is None else layer.pe,
                # An unrolled layer takes the columns of all its groups.
                simd=None if mvu is None else min(layer.simd, mvu.mw),
                thresholded=None if mvu is None else mvu.thresholds is not None,
                weight_bits=None if mvu is None else layer.weight_bits,
            )
        )
    last = streams[layers[-1].name]
    return Pipeline(
        layers=tuple(layers),
        output=Link(
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
    )


def _stream_widths(design: Design) -> Mapping[str | None, int]:
    """Bits of a beat, by the streams' names."""
    widths: dict[str | None, int] = {None: design.input_width_bits}
    for kernel in design.kernels:
        widths |= dict.fromkeys(kernel.outputs, kernel.width_bits)
    return widths


def _fifos(design: Design, guesses: Mapping[str, int | None]) -> tuple[Fifo, ...]:
    producers, consumers = design.producers, design.consumers
    return tuple(
        Fifo(
            name=fifo.name,
            producer=producers[fifo.inputs[0]].name,
            consumer=consumers[fifo.outputs[0]].name,
            width_bits=fifo.width_bits,
            depth_words=fifo.depth_words or 0,
            storage=_storage(fifo),
            first_guess_words=guesses.get(fifo.name),
        )
        for fifo in design.fifos
    )


def _storage(fifo: KernelInstance) -> Storage:
    if fifo.block_rams:
        return Storage.BLOCK_RAM
    return Storage.REGISTERS if fifo.depth_words == LEAST_FIFO_WORDS else Storage.LUT_RAM
