"""The stage: RTL folder in, the depths of its FIFOs out."""

from collections.abc import Mapping
from pathlib import Path

from bnnedge import tools
from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact
from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.facts import RTL
from bnnedge.hardware.fifos import FIFOS_FILE, write_depths
from bnnedge.hardware.folding import FOLDING_FILE
from bnnedge.progress import Progress, part_of, silent
from bnnedge.scratch import scratch
from bnnedge.simulation import Core
from bnnedge.sizing.depths import confirm, size_fifos, unbounded_depths
from bnnedge.sizing.facts import FIFOS, SizingFacts


@checked
def has_joins(dataflow: Path) -> bool:
    """Whether branches meet in a Dataflow folder, so that its FIFOs want to be sized."""
    return any(node.arity > 1 for node in Dataflow.load(dataflow).nodes)


@checked
def size(rtl: Path, out: Path, *, progress: Progress = silent) -> Artifact[SizingFacts]:
    """Size the FIFOs of an RTL folder by simulating it; `out` gets `fifos.json`.

    Give that file to `emit` with the folding of the same folder. The facts hold a `SizedFifo` of
    each FIFO, and the cycles per image that were then measured.

    Args:
        rtl: folder written by `emit`; what it holds is compiled and run, so it has to be trusted,
            see `bnnedge.hardware.own_copy`.
        out: folder to publish.
        progress: called now and then.

    Raises:
        DesignError: the folder is damaged.
        MismatchError: a result is wrong, or images take longer than predicted.
        SimulationError, ToolMissingError: see `bnnedge.simulation.check`.
    """

    def with_depths(depths: Mapping[str, int], folder: Path) -> Core:
        folder.mkdir()
        path = folder / FIFOS_FILE
        write_depths(path, depths)
        config = RtlConfig(folding=rtl / FOLDING_FILE, fifo_depths=path)
        emit(rtl / "dataflow", config, folder / RTL.kind)
        return Core.load(folder / RTL.kind)

    def write(folder: Path) -> SizingFacts:
        draft = Design.load(rtl)
        with scratch() as work:
            deep = with_depths(unbounded_depths(draft), work / "deep")
            sized = size_fifos(draft, deep, progress=part_of(progress, 0.0, 0.5))
            depths = {fifo.name: fifo.depth_words for fifo in sized}
            chosen = with_depths(depths, work / "sized")
            interval = confirm(chosen, progress=part_of(progress, 0.5, 1.0))
        write_depths(folder / FIFOS_FILE, depths)
        return SizingFacts(
            interval_cycles=interval,
            predicted_interval_cycles=draft.interval_cycles,
            fifos=sized,
        )

    return FIFOS.publish(
        out,
        write,
        config={},
        inputs=(rtl,),
        tools=lambda: {name: tools.version(name) for name in ("verilator", "g++")},
    )
