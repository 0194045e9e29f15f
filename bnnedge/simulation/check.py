"""The stage: an RTL folder is simulated and must equal its Dataflow, integer by integer."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.artifacts import Artifact, stage, to_json
from bnnedge.dataflow import ArgMax, Dataflow
from bnnedge.dataflow.encoding import Bits
from bnnedge.errors import MismatchError
from bnnedge.simulation.config import SimulationConfig
from bnnedge.simulation.core import Core, Progress
from bnnedge.simulation.locate import locate
from bnnedge.verilated.stream import StreamActivity

RESULT_FILE = "simulation.json"
TRACE_FILE = "trace.fst"
_GENERATED_IMAGES = 256


@dataclass(frozen=True, kw_only=True)
class StallRun:
    """All images once, at one stall probability; every result was equal.

    Attributes:
        stall: probability of a stall in a cycle, on both sides.
        cycles: simulated clock cycles.
        latency_cycles: from the first input beat to the end of the first result.
        interval_cycles: mean cycles between results; None for one image.
        wall_s: seconds of simulation, without compilation.
        cycles_per_s: simulated clock cycles per second of wall time.
        images_per_s: images per second of wall time.
        activity: of the internal streams.
    """

    stall: float
    cycles: int
    latency_cycles: int
    interval_cycles: float | None
    wall_s: float
    cycles_per_s: float
    images_per_s: float
    activity: tuple[StreamActivity, ...]


@dataclass(frozen=True, kw_only=True)
class SimulationResult:
    """A simulation in which every result equalled the Dataflow's.

    Attributes:
        name: of the network.
        images: simulated in each run.
        generated: the images were generated here, random and adversarial ones.
        elements: results compared per image: accumulators, or one class.
        compile_s: seconds until the model was compiled; near 0 when it was cached.
        predicted_interval_cycles: of `design.json`.
        interval_cycles: measured in the first run without stalls; None without such a run or
            with one image.
        runs: one for each stall probability.
    """

    name: str
    images: int
    generated: bool
    elements: int
    compile_s: float
    predicted_interval_cycles: int
    interval_cycles: float | None
    runs: tuple[StallRun, ...]


def simulate(
    rtl: Path,
    config: SimulationConfig,
    out: Path,
    *,
    inputs: NDArray[Any] | None = None,
    progress: Progress | None = None,
) -> Artifact:
    """Simulate an RTL folder, check it, and publish `simulation.json` (and `trace.fst`).

    Args:
        rtl: folder written by `bnnedge rtl`.
        config: how much, with which stalls.
        out: folder to publish.
        inputs: (N, *input shape), what the network takes; None: generated bit patterns.
        progress: called now and then with the images done and to do, over all runs.

    Raises:
        MismatchError: a result differs; the image, the element and the first differing node are
            named.
        SimulationError: the hardware broke its protocol, got stuck or left something over.
        DesignError, DataflowError, DataError: a folder or the inputs are not what they should be.
        ToolMissingError, ToolFailedError: the design could not be compiled.
    """

    def write(folder: Path) -> Mapping[str, Any]:
        trace = folder / TRACE_FILE if config.trace_images else None
        result = check(rtl, config, inputs=inputs, trace=trace, progress=progress)
        (folder / RESULT_FILE).write_text(json.dumps(to_json(result), indent=1) + "\n")
        return dict(to_json(result))

    return stage(
        "simulate",
        out,
        write,
        config={"config": config, "inputs": _digest(inputs)},
        inputs=(rtl,),
        tools=lambda: {name: tools.version(name) for name in ("verilator", "g++")},
    )


def check(
    rtl: Path,
    config: SimulationConfig,
    *,
    inputs: NDArray[Any] | None = None,
    trace: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> SimulationResult:
    """`simulate` without a folder: the result is only returned. Raises the same errors."""
    core = Core.load(rtl, cache=cache)
    dataflow = Dataflow.load(rtl / "dataflow")
    bits = _images(dataflow, config, inputs)
    wanted = expected_values(dataflow, bits)
    start = time.perf_counter()
    core.model.compile()
    compile_s = time.perf_counter() - start
    if trace is not None:
        core.run(bits[: config.trace_images], stall=config.stalls[-1], trace=trace)

    runs = []
    for index, stall in enumerate(config.stalls):
        run = core.run(
            bits,
            stall=stall,
            seed=config.seed + index,
            progress=_shifted(progress, index * len(bits), len(config.stalls) * len(bits)),
        )
        if not np.array_equal(run.values, wanted):
            raise _mismatch(core, dataflow, bits, run.values, wanted, stall)
        runs.append(
            StallRun(
                stall=stall,
                cycles=run.stream.cycles,
                latency_cycles=run.latency_cycles,
                interval_cycles=run.interval_cycles,
                wall_s=run.stream.wall_s,
                cycles_per_s=run.stream.cycles / run.stream.wall_s,
                images_per_s=len(bits) / run.stream.wall_s,
                activity=run.stream.activity,
            )
        )
    return SimulationResult(
        name=core.design.name,
        images=len(bits),
        generated=inputs is None,
        elements=core.design.output_elements,
        compile_s=compile_s,
        predicted_interval_cycles=core.design.interval_cycles,
        interval_cycles=next((run.interval_cycles for run in runs if run.stall == 0), None),
        runs=tuple(runs),
    )


def expected_values(dataflow: Dataflow, bits: Bits) -> NDArray[np.int64]:
    """What the hardware must answer to encoded inputs (N, F): accumulators (N, K), classes (N, 1).

    Hardware gives classes only where the graph has an ArgMax node.
    """
    accumulators = dataflow.accumulators_of(bits)
    last = dataflow.nodes[-1]
    return last.run(accumulators) if isinstance(last, ArgMax) else accumulators


def generate_bits(dataflow: Dataflow, count: int, seed: int) -> Bits:
    """Encoded inputs (count, F): adversarial ones, up to half of them, then random ones.

    The adversarial ones are all 0, all 1, both alternations, and rows of the first layer and their
    complements, whose popcounts reach MW and 0.
    """
    features = dataflow.input.features
    zeros = np.zeros((1, features), np.uint8)
    alternating = (np.arange(features, dtype=np.uint8) % 2)[None]
    rows = dataflow.mvus[0].weights
    pairs = np.stack([rows, 1 - rows], axis=1).reshape(-1, features)
    hard = np.concatenate([zeros, 1 - zeros, alternating, 1 - alternating, pairs])
    hard = hard[: max(1, count // 2)]
    rng = np.random.default_rng(seed)
    return np.concatenate([hard, rng.integers(0, 2, (count - len(hard), features), np.uint8)])


def _images(dataflow: Dataflow, config: SimulationConfig, inputs: NDArray[Any] | None) -> Bits:
    if inputs is None:
        return generate_bits(dataflow, config.images or _GENERATED_IMAGES, config.seed)
    return dataflow.encode(np.asarray(inputs)[: config.images])


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    return (lambda done, _: progress(before + done, total)) if progress else None


def _digest(inputs: NDArray[Any] | None) -> str | None:
    if inputs is None:
        return None
    array = np.ascontiguousarray(inputs)
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


def _mismatch(
    core: Core,
    dataflow: Dataflow,
    bits: Bits,
    got: NDArray[np.int64],
    wanted: NDArray[np.int64],
    stall: float,
) -> MismatchError:
    images = np.flatnonzero((got != wanted).any(axis=1))
    image = int(images[0])
    element = int((got[image] != wanted[image]).argmax())
    what = f"class {element}" if core.design.output_signed else "arg-max"
    return MismatchError(
        f"{core.design.name}: simulated hardware differs from the Dataflow"
        f" on {len(images)} of {len(bits)} images at stall {stall};"
        f" first: image {image}, {what}: wanted {wanted[image, element]},"
        f" got {got[image, element]}; {locate(core, dataflow, bits[image])}"
    )
