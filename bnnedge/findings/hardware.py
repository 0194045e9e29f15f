"""What a design is and how its streams flow."""

from collections.abc import Set
from dataclasses import dataclass
from enum import Enum

from bnnedge.errors import ConfigError


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
class SimulationSpeed:
    """How fast the simulator ran."""

    images: int
    cycles: int
    wall_s: float
