"""The stage: Dataflow folder in, RTL folder out."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnedge.artifacts import Artifact, folder_hashes, stage
from bnnedge.dataflow import BIPOLAR, ArgMax, Dataflow, XnorMvu
from bnnedge.dataflow.graph import GRAPH_FILE, WEIGHTS_FILE
from bnnedge.design import TOP_MODULE, Design, Layer
from bnnedge.errors import DesignError
from bnnedge.hardware.config import RtlConfig
from bnnedge.hardware.core import Placed, core_text, identifier, stream_names
from bnnedge.hardware.folding import (
    FOLDING_FILE,
    Folding,
    axis_bits,
    choose_folding,
    read_folding,
)
from bnnedge.hardware.kernels import (
    SV_FOLDER,
    ArgMaxKernel,
    SignExtendKernel,
    StreamFifoKernel,
    StreamLastKernel,
    StreamWidthConverterKernel,
    XnorMvuKernel,
)
from bnnedge.tools import python_versions

DEFAULT_TARGET_FPS = 100_000.0
_DATAFLOW_FILES = (GRAPH_FILE, WEIGHTS_FILE)
_ELEMENT_BITS = (8, 16, 32)


def emit(dataflow: Path, config: RtlConfig, out: Path) -> Artifact:
    """Write the hardware of a Dataflow.

    The folder holds `sv/*.sv` (the kernels used and `bnnedge_core.sv`), `mem/*.mem`,
    `design.json`, `folding.json` (what was chosen) and `dataflow/` (a copy).

    Args:
        dataflow: folder of a Dataflow.
        config: throughput target or folding.
        out: folder to publish.

    Raises:
        DataflowError: the folder is damaged.
        DesignError: a node has no kernel; names it.
        FoldingError: the folding does not fit, or the target is out of reach.
    """
    graph = Dataflow.load(dataflow)
    mvus = xnor_mvus(graph)
    if config.folding is not None:
        folding = read_folding(config.folding, mvus)
    else:
        fps = config.target_fps or DEFAULT_TARGET_FPS
        folding = choose_folding(mvus, target_fps=fps, clock_mhz=config.clock_mhz)
    return stage(
        "rtl",
        out,
        lambda folder: _write(graph, dataflow, folding, config, folder),
        config={"folding": folding, "clock_mhz": config.clock_mhz},
        inputs=(dataflow,),
        tools=lambda: python_versions("numpy"),
    )


def xnor_mvus(graph: Dataflow) -> tuple[XnorMvu, ...]:
    """The matrix-vector units of a graph that is made of nothing else.

    Raises:
        DesignError: a node has no kernel; names it.
    """
    remedy = "bnnedge evaluate runs the Dataflow; hardware is made of fully connected networks"
    if graph.input.stream.element != BIPOLAR:
        raise DesignError(
            f"{graph.name}: no kernel takes {graph.input.stream.element} inputs", remedy=remedy
        )
    for node in graph.nodes:
        if not isinstance(node, XnorMvu | ArgMax) or len(graph.input.output_shape) != 1:
            raise DesignError(f"{node.name} ({type(node).__name__}): has no kernel", remedy=remedy)
    return tuple(node for node in graph.nodes if isinstance(node, XnorMvu))


def _write(
    graph: Dataflow, dataflow: Path, folding: Folding, config: RtlConfig, folder: Path
) -> Mapping[str, Any]:
    shutil.copytree(
        dataflow, folder / "dataflow", ignore=lambda _, names: set(names) - set(_DATAFLOW_FILES)
    )
    record = {name: {"PE": fold.pe, "SIMD": fold.simd} for name, fold in folding.items()}
    (folder / FOLDING_FILE).write_text(json.dumps(record, indent=1) + "\n")
    id_word = _id_word(folder)
    chain = build_chain(graph, folding)
    result_bits = chain[-1].out_bits
    element_bits, elements, signed = _output(graph)
    last = StreamLastKernel(beats=-(-elements * element_bits // result_bits))

    sources = _copy_kernels(chain, folder / "sv")
    (folder / "sv" / f"{TOP_MODULE}.sv").write_text(core_text(chain, last, id_word))
    (folder / "mem").mkdir()
    memories = {name: text for placed in chain for name, text in placed.kernel.memories.items()}
    for name, text in memories.items():
        (folder / name).write_text(text)

    design = Design(
        name=graph.name,
        id_word=id_word,
        sources=(*sources, f"sv/{TOP_MODULE}.sv"),
        memories=tuple(memories),
        input_bits=graph.input.features,
        input_width_bits=chain[0].kernel.in_bits,
        output_elements=elements,
        output_element_bits=element_bits,
        output_signed=signed,
        output_width_bits=result_bits,
        layers=_layers(chain),
        streams=stream_names(chain),
        interval_cycles=max(placed.kernel.cycles_per_image for placed in chain),
    )
    design.save(folder)
    return {
        "interval_cycles": design.interval_cycles,
        "clock_mhz": config.clock_mhz,
        "images_per_second": config.clock_mhz * 1e6 / design.interval_cycles,
        "cycles": {placed.name: placed.kernel.cycles_per_image for placed in chain},
        "folding": record,
    }


def build_chain(graph: Dataflow, folding: Folding) -> tuple[Placed, ...]:
    """The stream kernels in the order of the data, from s_axis to m_axis.

    Before every MVU stands a FIFO. It cuts the combinational ready path, and where the MVU replays
    its input (NF > 1) it holds one image, so that the layer before never waits for the replay.
    """
    mvus = [
        XnorMvuKernel(
            node=node,
            pe=folding[node.name].pe,
            simd=folding[node.name].simd,
            memory_prefix=f"mem/{index}_{identifier(node.name)}_",
        )
        for index, node in enumerate(xnor_mvus(graph))
    ]
    interval = max(mvu.cycles_per_image for mvu in mvus)
    width = axis_bits(graph.input.features, interval)
    chain: list[Placed] = []
    for index, mvu in enumerate(mvus):
        name = f"{index}_{identifier(mvu.node.name)}"
        if width != mvu.simd:
            chain.append(
                Placed(
                    name=f"{name}_width",
                    kernel=StreamWidthConverterKernel(
                        input_width_bits=width,
                        output_width_bits=mvu.simd,
                        frame_bits=mvu.node.mw,
                    ),
                )
            )
        replayed = mvu.synapse_folds if mvu.neuron_folds > 1 else 0
        chain.append(
            Placed(
                name=f"{name}_fifo",
                kernel=StreamFifoKernel(
                    width_bits=mvu.simd,
                    depth_words=max(2, replayed),
                    frame_words=mvu.synapse_folds,
                ),
            )
        )
        chain.append(Placed(name=name, kernel=mvu, node=mvu.node.name))
        width = mvu.pe
    return (*chain[:-1], *_tail(graph, chain[-1], mvus[-1], interval))


def _tail(graph: Dataflow, placed: Placed, mvu: XnorMvuKernel, interval: int) -> tuple[Placed, ...]:
    """From the last MVU to m_axis: arg-max if there is one, whole bytes, the stream's width."""
    element_bits, elements, signed = _output(graph)
    head: tuple[Placed, ...] = ()
    lanes, narrow_bits = mvu.pe, mvu.accumulator_bits
    if not signed:
        kernel = ArgMaxKernel(elements=mvu.node.mh, pe=mvu.pe, element_bits=mvu.accumulator_bits)
        head = (placed,)
        node = graph.nodes[-1].name
        name = f"{len(graph.mvus)}_{identifier(node)}"
        placed = Placed(name=name, kernel=kernel, node=node)
        lanes, narrow_bits = 1, kernel.out_bits
    extend = SignExtendKernel(
        elements=lanes, in_bits=narrow_bits, out_bits=element_bits, signed=signed
    )
    placed = dataclasses.replace(placed, extend=extend)
    converter = StreamWidthConverterKernel(
        input_width_bits=lanes * element_bits,
        output_width_bits=axis_bits(elements * element_bits, interval),
        frame_bits=elements * element_bits,
    )
    while converter.cycles_per_image > interval:
        converter = dataclasses.replace(
            converter, output_width_bits=2 * converter.output_width_bits
        )
    width = converter.output_width_bits
    fifo = StreamFifoKernel(
        width_bits=width, depth_words=2, frame_words=-(-elements * element_bits // width)
    )
    middle = () if lanes * element_bits == width else (Placed(name="out_width", kernel=converter),)
    return (*head, placed, *middle, Placed(name="out_fifo", kernel=fifo))


def _output(graph: Dataflow) -> tuple[int, int, bool]:
    """Bits of one result element, elements per image, and whether they are signed."""
    stream = graph.streams()[-1]
    bits = next(b for b in _ELEMENT_BITS if b >= stream.element.width_bits)
    return bits, stream.channels, not isinstance(graph.nodes[-1], ArgMax)


def _id_word(folder: Path) -> int:
    """First 32 bits of the sha256 over the Dataflow and the folding."""
    hashes = folder_hashes(folder)
    return int(hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()[:8], 16)


def _copy_kernels(chain: tuple[Placed, ...], folder: Path) -> tuple[str, ...]:
    modules = {StreamLastKernel.module}
    for placed in chain:
        modules |= {placed.kernel.module, *placed.kernel.submodules}
        modules |= {placed.extend.module} if placed.extend else set()
    folder.mkdir()
    for module in sorted(modules):
        shutil.copyfile(SV_FOLDER / f"{module}.sv", folder / f"{module}.sv")
    return tuple(f"sv/{module}.sv" for module in sorted(modules))


def _layers(chain: tuple[Placed, ...]) -> tuple[Layer, ...]:
    layers = []
    for placed in chain:
        kernel = placed.kernel
        mvu = kernel if isinstance(kernel, XnorMvuKernel) else None
        if placed.node is not None:
            layers.append(
                Layer(
                    name=placed.node,
                    kernel=kernel.module,
                    pe=mvu.pe if mvu else 1,
                    simd=mvu.simd if mvu else 1,
                    cycles_per_image=kernel.cycles_per_image,
                    weight_bits=mvu.weight_bits if mvu else 0,
                )
            )
    return tuple(layers)
