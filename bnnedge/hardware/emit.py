"""The stage: Dataflow folder in, RTL folder out."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact, folder_hashes
from bnnedge.cost import Cost
from bnnedge.dataflow import Dataflow
from bnnedge.dataflow.graph import GRAPH_FILE, WEIGHTS_FILE
from bnnedge.design import TOP_MODULE, Design, KernelInstance, Layer
from bnnedge.families import REFERENCE
from bnnedge.hardware.config import RtlConfig
from bnnedge.hardware.core import S_AXIS, core_text, sources_of, streams_of
from bnnedge.hardware.facts import RTL, KernelFacts, RtlFacts
from bnnedge.hardware.fifos import FIFOS_FILE, FifoDepths, read_depths, write_depths
from bnnedge.hardware.folding import (
    FOLDING_FILE,
    Folding,
    choose_folding,
    default_fps,
    folding_record,
    read_folding,
)
from bnnedge.hardware.kernels import (
    SV_FOLDER,
    MvuKernel,
    StreamFifoKernel,
    StreamLastKernel,
    UnrolledKernel,
)
from bnnedge.hardware.network import Network, build_network
from bnnedge.tools import python_versions

DATAFLOW_FOLDER = "dataflow"


@checked
def emit(dataflow: Path, config: RtlConfig, out: Path) -> Artifact[RtlFacts]:
    """Write the hardware of a Dataflow.

    The folder holds `sv/*.sv` (the kernels used and `bnnedge_core.sv`), `mem/*.mem`,
    `design.json`, `folding.json` (what was chosen), `fifos.json` if depths were given, and
    `dataflow/` (a copy).

    Args:
        dataflow: folder of a Dataflow.
        config: throughput target or folding, depths of FIFOs.
        out: folder to publish.

    Raises:
        DataflowError: the folder is damaged.
        DesignError: results are too wide, or the depths are of another network.
        FoldingError: the folding does not fit, or the target is out of reach.
    """
    graph = Dataflow.load(dataflow)
    if config.folding is not None:
        folding = read_folding(config.folding, graph)
    else:
        fps = config.target_fps or default_fps(graph, config.clock_mhz)
        folding = choose_folding(graph, target_fps=fps, clock_mhz=config.clock_mhz)
    depths = read_depths(config.fifo_depths) if config.fifo_depths is not None else {}

    def write(folder: Path) -> RtlFacts:
        copy_dataflow(dataflow, folder / DATAFLOW_FOLDER)
        return _facts(*write_rtl(graph, folding, depths, folder), folding, config)

    chosen = {"folding": folding, "clock_mhz": config.clock_mhz}
    return RTL.publish(
        out,
        write,
        config=chosen | ({"fifo_depths": depths} if depths else {}),
        inputs=(dataflow,),
        tools=lambda: python_versions("numpy"),
    )


def copy_dataflow(dataflow: Path, target: Path) -> None:
    """Copy the files of a Dataflow into the new folder `target`."""
    target.mkdir()
    for name in (GRAPH_FILE, WEIGHTS_FILE):
        shutil.copyfile(dataflow / name, target / name)


def read_choices(rtl: Path, graph: Dataflow) -> tuple[Folding, FifoDepths]:
    """The folding in an RTL folder, and the depths of FIFOs that were given.

    Raises:
        DesignError, FoldingError: these files are damaged.
    """
    folding = read_folding(rtl / FOLDING_FILE, graph)
    return folding, read_depths(rtl / FIFOS_FILE) if (rtl / FIFOS_FILE).exists() else {}


def read_network(rtl: Path) -> Network:
    """The kernels of an RTL folder, from the Dataflow and the choices in it.

    Raises:
        DataflowError, DesignError, FoldingError: the folder is damaged.
    """
    graph = Dataflow.load(rtl / DATAFLOW_FOLDER)
    return build_network(graph, *read_choices(rtl, graph))


def write_rtl(
    graph: Dataflow, folding: Folding, depths: FifoDepths, folder: Path
) -> tuple[Design, Network]:
    """Write the files of an RTL folder; nothing but the arguments decides on a byte of them.

    Args:
        graph: the network.
        folding: PE and SIMD of its matrix-vector units.
        depths: words of FIFOs that are given.
        folder: holds the network's own files in `dataflow/` and nothing else.

    Raises:
        DesignError: results are too wide, or the depths are of another network.
    """
    (folder / FOLDING_FILE).write_text(
        json.dumps(folding_record(folding), indent=1) + "\n", encoding="utf-8"
    )
    if depths:
        write_depths(folder / FIFOS_FILE, depths)
    id_word = _id_word(folder)
    network = build_network(graph, folding, depths)
    placed = network.placed

    sources = _copy_kernels(network, folder / "sv")
    (folder / "sv" / f"{TOP_MODULE}.sv").write_text(
        core_text(placed, network.last, id_word), encoding="utf-8"
    )
    (folder / "mem").mkdir()
    memories = {name: text for part in placed for name, text in part.kernel.memory_texts.items()}
    for name, text in memories.items():
        (folder / name).write_text(text, encoding="utf-8")

    costs = {part.name: part.kernel.cost(REFERENCE.prices) for part in placed}
    cost = sum(costs.values(), Cost())
    design = Design(
        name=graph.name,
        id_word=id_word,
        sources=(*sources, f"sv/{TOP_MODULE}.sv"),
        memories=tuple(memories),
        input_elements=graph.input.features,
        input_element_bits=network.input_element_bits,
        input_width_bits=placed[0].kernel.widths_in[0],
        output_elements=network.results,
        output_element_bits=network.result_bits,
        output_signed=network.signed,
        output_width_bits=placed[-1].widths_out[0],
        layers=_layers(network, folding),
        kernels=_kernels(network, costs),
        streams=tuple(streams_of(placed).values()),
        interval_cycles=max(part.kernel.cycles_per_image for part in placed),
        combs=round(cost.combs),
        block_rams=cost.block_rams,
    )
    design.save(folder)
    return design, network


def _facts(design: Design, network: Network, folding: Folding, config: RtlConfig) -> RtlFacts:
    costs = {part.name: part.kernel.cost(REFERENCE.prices) for part in network.placed}
    return RtlFacts(
        interval_cycles=design.interval_cycles,
        clock_mhz=config.clock_mhz,
        images_per_second=config.clock_mhz * 1e6 / design.interval_cycles,
        combs=design.combs,
        block_rams=design.block_rams,
        kernels={
            part.name: KernelFacts(
                cycles=part.kernel.cycles_per_image,
                combs=round(costs[part.name].combs),
                block_rams=costs[part.name].block_rams,
            )
            for part in network.placed
        },
        folding=folding_record(folding),
    )


def _id_word(folder: Path) -> int:
    """First 32 bits of the sha256 over the Dataflow, the folding and given depths."""
    hashes = folder_hashes(folder)
    return int(hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()[:8], 16)


def _copy_kernels(network: Network, folder: Path) -> tuple[str, ...]:
    modules = {StreamLastKernel.module}
    for part in network.placed:
        modules |= {part.module, *part.kernel.submodules}
        modules |= {part.resize.module} if part.resize else set()
    folder.mkdir()
    own = {p.module: p.kernel for p in network.placed if isinstance(p.kernel, UnrolledKernel)}
    for module in sorted(modules - set(own)):
        shutil.copyfile(SV_FOLDER / f"{module}.sv", folder / f"{module}.sv")
    for module, kernel in own.items():
        (folder / f"{module}.sv").write_text(kernel.text(module), encoding="utf-8")
    return tuple(f"sv/{module}.sv" for module in sorted(modules))


def _kernels(network: Network, costs: Mapping[str, Cost]) -> tuple[KernelInstance, ...]:
    names = streams_of(network.placed)
    kernels = []
    for index, part in enumerate(network.placed):
        fifo = part.kernel if isinstance(part.kernel, StreamFifoKernel) else None
        kernels.append(
            KernelInstance(
                name=part.name,
                module=part.module,
                node=part.node,
                inputs=tuple(names.get(source) for source in part.inputs),
                outputs=tuple(names.get(source) for source in sources_of(index, part)),
                width_bits=part.widths_out[0],
                depth_words=None if fifo is None else fifo.depth_words,
                image_words=None if fifo is None else fifo.image_words,
                block_rams=costs[part.name].block_rams,
                parameters=part.parameters,
                resize=part.resize.parameters if part.resize else None,
            )
        )
    return tuple(kernels)


def _layers(network: Network, folding: Folding) -> tuple[Layer, ...]:
    kernels = {part.node: part.kernel for part in network.placed}
    names = streams_of(network.placed)
    layers = []
    for node in network.nodes:
        kernel = kernels.get(node.node)
        mvu = kernel if isinstance(kernel, MvuKernel) else None
        fold = folding.get(node.node)
        layers.append(
            Layer(
                name=node.node,
                kernel=kernel.module if kernel else "wires",
                pe=fold.pe if fold else node.lanes,
                simd=fold.simd if fold else node.lanes,
                cycles_per_image=kernel.cycles_per_image if kernel else 0,
                weight_bits=mvu.weight_bits if mvu else 0,
                stream=None if node.source == S_AXIS else names[node.source],
                stream_lanes=node.lanes,
                stream_element_bits=node.element_bits,
            )
        )
    return tuple(layers)
