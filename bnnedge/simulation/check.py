"""The stage: an RTL folder is simulated and must equal its Dataflow, integer by integer."""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact
from bnnedge.dataflow import Dataflow
from bnnedge.design import Design
from bnnedge.equality import Judge, stimuli
from bnnedge.progress import Progress, counting, silent
from bnnedge.records import to_json
from bnnedge.simulation.config import SimulationConfig
from bnnedge.simulation.core import Core
from bnnedge.simulation.facts import SIMULATE, FifoFill, SimulationResult, StallRun
from bnnedge.simulation.locate import locate
from bnnedge.simulation.patterns import (
    LONG_PAUSES,
    PATTERNS,
    StreamPressure,
    check_pressures,
    pattern_images,
    pressures,
    too_lenient,
)
from bnnedge.verilated.stalls import Stalls
from bnnedge.verilated.verilator import require_traces

RESULT_FILE = "simulation.json"
TRACE_FILE = "trace.fst"
_GENERATED_IMAGES = 256
_MOST_DOUBLINGS = 3  # of the images that go through the longest pauses


@checked
def simulate(
    rtl: Path,
    config: SimulationConfig,
    out: Path,
    *,
    inputs: NDArray[Any] | None = None,
    progress: Progress = silent,
) -> Artifact[SimulationResult]:
    """Simulate an RTL folder, check it, and publish `simulation.json` (and `trace.fst`).

    Args:
        rtl: folder written by `bnnedge rtl`; what it holds is compiled and run, so it has to be
            trusted, see `bnnedge.hardware.own_copy`.
        config: how much, with which stalls.
        out: folder to publish.
        inputs: (N, *input shape), what the network takes; None: generated patterns.
        progress: called now and then with the images done, over all runs.

    Raises:
        MismatchError: a result differs; the image, the element and the first differing node are
            named.
        SimulationError: the hardware broke its protocol, got stuck or left something over.
        DesignError, DataflowError, DataError: a folder or the inputs are not what they should be.
        ToolMissingError, ToolFailedError: the design could not be compiled.
    """

    def write(folder: Path) -> SimulationResult:
        trace = folder / TRACE_FILE if config.trace_images else None
        result = check(rtl, config, inputs=inputs, trace=trace, progress=progress)
        (folder / RESULT_FILE).write_text(
            json.dumps(to_json(result), indent=1) + "\n", encoding="utf-8"
        )
        return result

    return SIMULATE.publish(
        out,
        write,
        config={"config": config, "inputs": _digest(inputs)},
        inputs=(rtl,),
        tools=lambda: {name: tools.version(name) for name in ("verilator", "g++")},
    )


@checked
def check(
    rtl: Path,
    config: SimulationConfig,
    *,
    inputs: NDArray[Any] | None = None,
    trace: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> SimulationResult:
    """`simulate` without a folder: the result is only returned. Raises the same errors."""
    if trace is not None:
        require_traces()
    core = Core.load(rtl, cache=cache)
    dataflow = Dataflow.load(rtl / "dataflow")
    images = _images(dataflow, config, inputs)
    bench = _Bench(core, Judge(dataflow, images), config.seed, progress)
    start = time.perf_counter()
    core.model.compile()
    compile_s = time.perf_counter() - start
    if trace is not None:
        held_up = Stalls.at_ends(config.stalls[-1])
        core.run(images[: config.trace_images], stalls=held_up, trace=trace)

    plan = [(Stalls.at_ends(stall), np.arange(len(images))) for stall in config.stalls]
    streams: tuple[StreamPressure, ...] = ()
    if any(config.stalls):
        some = _spread(len(images), pattern_images(core.design, len(images)))
        plan += [(pattern, some) for pattern in PATTERNS]
    bench.run(plan)
    if any(config.stalls):
        streams = pressures(bench.runs, core.design.rigid_streams)
        for doubling in range(_MOST_DOUBLINGS):
            if not too_lenient(streams):
                break
            more = _spread(len(images), len(some) << doubling + 1)
            bench.run([(LONG_PAUSES, more)])
            streams = pressures(bench.runs, core.design.rigid_streams)
        check_pressures(core.design.name, streams)
    return SimulationResult(
        name=core.design.name,
        images=len(images),
        generated=inputs is None,
        elements=core.design.output_elements,
        compile_s=compile_s,
        predicted_interval_cycles=core.design.interval_cycles,
        interval_cycles=next((run.interval_cycles for run in bench.runs if run.stall == 0), None),
        runs=tuple(bench.runs),
        streams=streams,
    )


class _Bench:
    """Runs images through a design, compares each result, and keeps what the runs showed."""

    def __init__(self, core: Core, judge: Judge, seed: int, progress: Progress) -> None:
        self.runs: list[StallRun] = []
        self._core = core
        self._judge = judge
        self._seed = seed
        self._progress = counting(progress, "images")

    def run(self, plan: Sequence[tuple[Stalls, NDArray[np.intp]]]) -> None:
        """Each of the plan's images, by their numbers, at its stalls."""
        done = sum(run.images for run in self.runs)
        total = done + sum(len(chosen) for _, chosen in plan)
        for stalls, chosen in plan:
            self._run(stalls, chosen, done, total)
            done += len(chosen)

    def _run(self, stalls: Stalls, chosen: NDArray[np.intp], before: int, total: int) -> None:
        seed = self._seed + len(self.runs)
        run = self._core.run(
            self._judge.encoded[chosen],
            stalls=stalls,
            seed=seed,
            fifos=self._core.fifo_ends,
            progress=lambda done, _: self._progress(before + done, total),
        )
        self._judge.check(
            run.values,
            subject="simulated hardware",
            chosen=chosen,
            at=f" at {stalls.name}",
            explain=lambda image: locate(self._core, self._judge, image, stalls, seed),
        )
        self.runs.append(
            StallRun(
                name=stalls.name,
                stall=None if stalls in (*PATTERNS, LONG_PAUSES) else stalls.input.share,
                images=len(chosen),
                cycles=run.stream.cycles,
                latency_cycles=run.latency_cycles,
                interval_cycles=run.interval_cycles,
                wall_s=run.stream.wall_s,
                cycles_per_s=run.stream.cycles / run.stream.wall_s,
                images_per_s=len(chosen) / run.stream.wall_s,
                activity=run.stream.activity,
                fifos=_fills(self._core.design, run.stream.high_water),
            )
        )


def _fills(design: Design, high_water: Sequence[int]) -> tuple[FifoFill, ...]:
    return tuple(
        FifoFill(name=fifo.name, depth_words=fifo.depth_words or 0, high_water_words=words)
        for fifo, words in zip(design.fifos, high_water, strict=True)
    )


def _images(
    dataflow: Dataflow, config: SimulationConfig, inputs: NDArray[Any] | None
) -> NDArray[Any]:
    if inputs is None:
        return stimuli(dataflow, config.images or _GENERATED_IMAGES, config.seed)
    return dataflow.encode(np.atleast_1d(inputs)[: config.images])


def _digest(inputs: NDArray[Any] | None) -> str | None:
    if inputs is None:
        return None
    array = np.ascontiguousarray(inputs)
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


def _spread(length: int, count: int) -> NDArray[np.intp]:
    """`count` of `length` images, evenly, hard ones and random ones; the same ones if need be."""
    return np.linspace(0, length, count, endpoint=False).astype(np.intp)
