"""`ReportData`: everything that a report can show, as plain values.

A part that is None or empty was not measured and is left out of the page; a step that could not
run is named in `not_run`, with its reason. Accuracies and shares are fractions in [0, 1].
"""

from collections.abc import Set
from dataclasses import dataclass
from enum import Enum

from bnnedge.errors import ConfigError


class Verdict(Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run here"


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first place where two sides differ.

    Attributes:
        node: of the graph, or the stream.
        expected: value of the left side.
        got: value of the right side.
        channel: index within the node's output, where it has one.
        image: index within the images compared.
    """

    node: str
    expected: str
    got: str
    channel: int | None = None
    image: int | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One equality, left == right.

    Attributes:
        left: the side taken as the truth, e.g. "PyTorch".
        right: the side compared with it, e.g. "RTL".
        compared: what was compared, e.g. "accumulators (int64)".
        verdict: how it ended.
        images: images compared.
        values: values compared.
        stalls: how the hardware's streams were held up: a probability per cycle on both of its
            sides, or the name of a pattern.
        mismatch: the first difference of a failed check.
        reason: why it was not run, or a note.
    """

    left: str
    right: str
    compared: str
    verdict: Verdict
    images: int | None = None
    values: int | None = None
    stalls: str | None = None
    mismatch: Mismatch | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a layer reads of another one's output, or of the input.

    Attributes:
        source: name of the layer that makes it; None: the host.
        width_bits: of one beat.
        elements: per image.
        element: QONNX's name of their type, e.g. "BIPOLAR" or "INT8".
        beats: per image, where the stream itself bounds the interval.
    """

    source: str | None
    width_bits: int
    elements: int | None = None
    element: str | None = None
    beats: int | None = None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One node of the network in hardware.

    Attributes:
        name: the node's.
        kernel: the module that does it.
        inputs: what it reads.
        shape: of its output for one image.
        predicted_cycles: clock cycles between images, alone.
        measured_cycles: the same, measured.
        rows: matrix height MH, of a matrix-vector unit.
        columns: matrix width MW, of a matrix-vector unit.
        pe: rows at a time.
        simd: columns at a time.
        thresholded: the output is bits (True) or accumulators (False).
        weight_bits: bits of weights and thresholds kept on chip.
    """

    name: str
    kernel: str
    inputs: tuple[Link, ...]
    shape: tuple[int, ...]
    predicted_cycles: int
    measured_cycles: float | None = None
    rows: int | None = None
    columns: int | None = None
    pe: int | None = None
    simd: int | None = None
    thresholded: bool | None = None
    weight_bits: int | None = None


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The network from the host's input to the host's answer.

    Attributes:
        layers: each behind those that it reads; at least one of them reads the host's input.
        output: what the host gets.
        encoding: what the host does first, e.g. "quantile thermometer, 4 levels".
        inputs: values of one raw input.
        input_bits: bits of one encoded input.
        answer: what the host does last, e.g. "arg-max over 10 accumulators".
        predicted_interval_cycles: clock cycles between images in the steady state.
        measured_interval_cycles: the same, in simulation.
        latency_cycles: first input beat to last output beat of one image, measured.
    """

    layers: tuple[Layer, ...]
    output: Link
    encoding: str
    inputs: int
    input_bits: int
    answer: str
    predicted_interval_cycles: int
    measured_interval_cycles: float | None = None
    latency_cycles: int | None = None

    def __post_init__(self) -> None:
        known: set[str | None] = {None}
        for layer in self.layers:
            _check_sources(layer.name, layer.inputs, known)
            known.add(layer.name)
        _check_sources("the host", (self.output,), known - {None})

    @property
    def input(self) -> Link:
        """What the host gives."""
        return next(link for layer in self.layers for link in layer.inputs if link.source is None)

    @property
    def interval_cycles(self) -> float:
        """Measured where there is a measurement, else predicted."""
        measured = self.measured_interval_cycles
        return self.predicted_interval_cycles if measured is None else measured


def _check_sources(reader: str, links: tuple[Link, ...], known: Set[str | None]) -> None:
    if not links:
        raise ConfigError(f"report pipeline: {reader} reads nothing")
    for link in links:
        if link.source not in known:
            raise ConfigError(
                f"report pipeline: {reader} reads {link.source}, which does not come before"
            )


@dataclass(frozen=True, kw_only=True)
class Board:
    """Where the design goes.

    Attributes:
        name: e.g. "ULX3S-85F".
        device: e.g. "LFE5U-85F".
        clock_mhz: the clock that the bitstream runs the accelerator at.
        fmax_mhz: the highest clock that place and route found.
        link: how images reach it, e.g. "UART, 3 Mbaud".
        link_images_per_second: what that link can carry.
    """

    name: str
    device: str
    clock_mhz: float | None = None
    fmax_mhz: float | None = None
    link: str | None = None
    link_images_per_second: float | None = None


@dataclass(frozen=True, kw_only=True)
class ResourceUse:
    """A kind of cell on the device, e.g. LUT4, FF, BRAM36.

    Attributes:
        name: what it is called.
        used: by the design.
        available: where it is known.
        predicted: before synthesis, where there is a model.
    """

    name: str
    used: int
    available: int | None = None
    predicted: int | None = None


@dataclass(frozen=True, kw_only=True)
class LayerResources:
    """What one layer takes; `used` follows the order of the synthesis' `totals`."""

    layer: str
    used: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """One synthesis result.

    Attributes:
        target: board or device.
        tool: how the figures were made, e.g. "Vivado, placed and routed".
        totals: of the whole design.
        estimate: before place and route, so an estimate.
        fmax_mhz: after place and route.
        layers: per-layer counts, where known.
    """

    target: str
    tool: str
    totals: tuple[ResourceUse, ...]
    estimate: bool = False
    fmax_mhz: float | None = None
    layers: tuple[LayerResources, ...] = ()

    def __post_init__(self) -> None:
        for layer in self.layers:
            if len(layer.used) != len(self.totals):
                raise ConfigError(
                    f"report synthesis {self.target}: layer {layer.layer} needs "
                    f"{len(self.totals)} counts, got {len(layer.used)}"
                )


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the training history."""

    epoch: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What the network gets right.

    Attributes:
        test: accuracy on the test set.
        images: in the test set.
        classes: names, in the order of `confusion`.
        confusion: counts, row = true class, column = predicted class.
        history: of the training.
        selected_epoch: whose weights were kept (by validation accuracy).
    """

    test: float | None = None
    images: int | None = None
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    history: tuple[Epoch, ...] = ()
    selected_epoch: int | None = None

    def __post_init__(self) -> None:
        size = len(self.classes)
        square = len(self.confusion) == size and all(len(row) == size for row in self.confusion)
        if self.confusion and not square:
            raise ConfigError(
                f"report confusion matrix: wanted {size} by {size} for {size} classes"
            )

    @property
    def most_confused(self) -> int:
        """The largest count off the diagonal."""
        return max(
            (
                value
                for true, row in enumerate(self.confusion)
                for predicted, value in enumerate(row)
                if true != predicted
            ),
            default=0,
        )


@dataclass(frozen=True, kw_only=True)
class Example:
    """One input as a picture: `pixels` holds height × width grey bytes, row by row."""

    pixels: bytes
    height: int
    width: int
    predicted: str
    expected: str | None = None

    def __post_init__(self) -> None:
        wanted = self.height * self.width
        if self.height < 1 or self.width < 1 or len(self.pixels) != wanted:
            raise ConfigError(
                f"report example: wanted {self.height} by {self.width} = {wanted} pixels, "
                f"got {len(self.pixels)}"
            )


@dataclass(frozen=True, kw_only=True)
class StreamActivity:
    """What one stream did in simulation, in clock cycles.

    Attributes:
        stream: its name.
        moving: valid and ready.
        blocked: valid, not ready: waits for the consumer.
        starved: ready, not valid: waits for the producer.
        idle: neither.
        stalls: probability of a stall that the test bench put on both sides.
        most_blocked: share of the cycles in which it was blocked in the run that did so most; all
            stall patterns count.
        most_starved: the same of starved.
    """

    stream: str
    moving: int
    blocked: int
    starved: int
    idle: int = 0
    stalls: float | None = None
    most_blocked: float | None = None
    most_starved: float | None = None

    @property
    def cycles(self) -> int:
        """All cycles that were counted."""
        return self.moving + self.blocked + self.starved + self.idle


class Storage(Enum):
    """What a FIFO keeps its words in."""

    REGISTERS = "registers"
    LUT_RAM = "LUT RAM"
    BLOCK_RAM = "block RAM"


@dataclass(frozen=True, kw_only=True)
class HighWater:
    """Most words that were in a FIFO of a simulation with `stalls`, a probability per cycle."""

    stalls: float
    words: int


@dataclass(frozen=True, kw_only=True)
class Fifo:
    """A FIFO between two kernels.

    Attributes:
        name: its own.
        producer: the kernel before it.
        consumer: the kernel behind it.
        width_bits: of a word.
        depth_words: that it can hold.
        storage: what they are kept in.
        first_guess_words: depth that follows from windows alone, where it was then measured.
        high_water: of every simulation, the same ones for all FIFOs.
    """

    name: str
    producer: str
    consumer: str
    width_bits: int
    depth_words: int
    storage: Storage
    first_guess_words: int | None = None
    high_water: tuple[HighWater, ...] = ()

    @property
    def bits(self) -> int:
        """That it can hold."""
        return self.width_bits * self.depth_words


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """Wall time of one stage; `reused` where an earlier run's result was still current."""

    name: str
    wall_s: float
    reused: bool = False


@dataclass(frozen=True, kw_only=True)
class SimulationSpeed:
    """How fast the simulator ran."""

    images: int
    cycles: int
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool or package that took part."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """A file of the build, with its hex sha256."""

    path: str
    sha256: str
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line that reproduces a step."""

    command: str
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """A step that could not run here, and why."""

    step: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report can show; only `network` is needed.

    Attributes:
        network: its name, e.g. "TFC".
        topology: its widths, e.g. "784-64-64-64-10" or "28x28x1-20-50-500-10".
        dataset: what it was trained and tested on.
        version: of bnnedge.
        edited: files of the build that somebody changed by hand, and was told to go on with.
    """

    network: str
    topology: str | None = None
    dataset: str | None = None
    version: str | None = None
    board: Board | None = None
    pipeline: Pipeline | None = None
    accuracy: Accuracy | None = None
    checks: tuple[Check, ...] = ()
    synthesis: tuple[Synthesis, ...] = ()
    examples: tuple[Example, ...] = ()
    streams: tuple[StreamActivity, ...] = ()
    fifos: tuple[Fifo, ...] = ()
    simulation: SimulationSpeed | None = None
    stages: tuple[StageTime, ...] = ()
    tools: tuple[Tool, ...] = ()
    files: tuple[FileDigest, ...] = ()
    commands: tuple[Command, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    edited: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not hold."""
        return tuple(check for check in self.checks if check.verdict is Verdict.FAILED)

    @property
    def passed(self) -> tuple[Check, ...]:
        """The checks that held."""
        return tuple(check for check in self.checks if check.verdict is Verdict.PASSED)

    @property
    def clock_mhz(self) -> float | None:
        """The clock that throughput is given for: the bitstream's, else Fmax."""
        if self.board is None:
            return None
        return self.board.fmax_mhz if self.board.clock_mhz is None else self.board.clock_mhz

    @property
    def images_per_second(self) -> float | None:
        """Of the accelerator: clock ÷ interval."""
        if self.pipeline is None or self.clock_mhz is None:
            return None
        return self.clock_mhz * 1e6 / self.pipeline.interval_cycles
