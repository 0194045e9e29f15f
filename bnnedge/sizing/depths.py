"""FIFO depths from what a simulation sees: how full each one gets where none that matters is full.

Where branches meet, one waits for the other, and what comes meanwhile is kept in a FIFO. An image
enters every `interval_cycles`, as the slowest kernel takes them, while these FIFOs are never full.
With FIFOs that hold what they then get, that schedule is still possible; and streams that move as
soon as they can are never later than in a schedule that is possible, so the throughput is the same.
Kernels are deterministic, so what stalls on either end can change is when words move, never whether
a full FIFO blocks the stream that it waits for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bnnedge.dataflow import Dataflow
from bnnedge.design import LEAST_FIFO_WORDS, Design
from bnnedge.equality import Judge, stimuli
from bnnedge.errors import MismatchError
from bnnedge.progress import Progress, counting, silent
from bnnedge.simulation.core import Core, CoreRun

_IMAGES = 5
_TOLERANCE = 0.001


@dataclass(frozen=True, kw_only=True)
class SizedFifo:
    """A FIFO and how full it gets.

    Attributes:
        name: of the kernel.
        width_bits: of a word.
        first_guess_words: depth that follows from windows alone.
        high_water_words: most words in it, where no FIFO is ever full.
        depth_words: chosen.
    """

    name: str
    width_bits: int
    first_guess_words: int
    high_water_words: int
    depth_words: int


def unbounded_depths(design: Design) -> Mapping[str, int]:
    """Words that the FIFOs before joins never fill, all of two images; the others as they are."""
    joined = {
        stream for kernel in design.kernels if len(kernel.inputs) > 1 for stream in kernel.inputs
    }
    return {
        fifo.name: 2 * fifo.image_words + LEAST_FIFO_WORDS
        if fifo.outputs[0] in joined and fifo.image_words
        else fifo.depth_words or LEAST_FIFO_WORDS
        for fifo in design.fifos
    }


def size_fifos(
    draft: Design, unbounded: Core, *, seed: int = 0, progress: Progress = silent
) -> tuple[SizedFifo, ...]:
    """How deep each FIFO must be; one behind kernels that never wait stays as deep as they need it.

    Args:
        draft: with depths that were guessed.
        unbounded: the same with `unbounded_depths`.
        seed: of the images.
        progress: called now and then.

    Raises:
        MismatchError: a result differs from the Dataflow's, or images take longer than predicted.
        SimulationError, ToolMissingError, ToolFailedError: see `Core.run`.
    """
    run = _run(unbounded, seed, progress, interval_cycles=draft.interval_cycles)
    guesses = {fifo.name: fifo.depth_words or 0 for fifo in draft.fifos}
    return tuple(
        SizedFifo(
            name=fifo.name,
            width_bits=fifo.width_bits,
            first_guess_words=guesses[fifo.name],
            high_water_words=mark,
            depth_words=guesses[fifo.name]
            if fifo.inputs[0] in unbounded.design.rigid_streams
            else _depth(mark, fifo.depth_words or 0),
        )
        for fifo, mark in zip(unbounded.design.fifos, run.stream.high_water, strict=True)
    )


def _depth(mark: int, tried: int) -> int:
    """What holds so many words.

    A full FIFO takes no word even while it gives one, so one that fills has one to spare; but where
    it was full at the depth that was tried already, that was enough.
    """
    return max(LEAST_FIFO_WORDS, min(mark + 1, tried))


def confirm(sized: Core, *, seed: int = 0, progress: Progress = silent) -> float:
    """Clock cycles between results with the depths that were chosen, input as fast as it goes.

    Raises:
        MismatchError: a result differs from the Dataflow's, or images take longer than predicted.
        SimulationError, ToolMissingError, ToolFailedError: see `Core.run`.
    """
    return _run(sized, seed, progress).interval_cycles or 0.0


def _run(core: Core, seed: int, progress: Progress, interval_cycles: int | None = None) -> CoreRun:
    dataflow = Dataflow.load(core.folder / "dataflow")
    judge = Judge(dataflow, stimuli(dataflow, _IMAGES, seed))
    run = core.run(
        judge.encoded,
        seed=seed,
        interval_cycles=interval_cycles,
        fifos=core.fifo_ends,
        progress=counting(progress, "images"),
    )
    remedy = "bnnedge simulate says where"
    judge.check(run.values, subject="simulated hardware", remedy=remedy)
    measured, predicted = run.interval_cycles or 0.0, core.design.interval_cycles
    if measured > (1 + _TOLERANCE) * predicted:
        raise MismatchError(
            f"{core.design.name}: predicted {predicted} cycles/image, measured {measured:.1f}",
            remedy="another folding",
        )
    return run
