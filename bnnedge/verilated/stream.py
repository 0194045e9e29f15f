"""Simulating a module between its streams: compiled, run once, and what was seen as a result."""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bnnedge.errors import SimulationError
from bnnedge.filekinds import FST, file_kind
from bnnedge.verilated import verilator
from bnnedge.verilated.drive import Drive
from bnnedge.verilated.ports import StreamPort, StreamPorts
from bnnedge.verilated.session import Bytes, Outcome, Session, Side, Status, Watch
from bnnedge.verilated.stalls import NO_STALLS, Stalls

_NAMED_STREAMS = 8  # in a message
_HARNESS = verilator.HARNESS_FOLDER / "stream.cpp"
_GATES = verilator.HARNESS_FOLDER / "gates.v"
_TAPS = verilator.HARNESS_FOLDER / "taps.v"


@dataclass(frozen=True, kw_only=True)
class StreamActivity:
    """What one internal stream did, in clock cycles until the last output beat.

    Attributes:
        name: of the stream.
        cycles: all that were watched.
        transfers: beats passed.
        stalled_cycles: valid but not ready: the consumer was the slower one.
        starved_cycles: ready but not valid: the producer was the slower one.
    """

    name: str
    cycles: int
    transfers: int
    stalled_cycles: int
    starved_cycles: int


@dataclass(frozen=True, kw_only=True)
class StreamState:
    """One internal stream in the cycle in which a simulation gave up.

    Attributes:
        name: of the stream.
        valid: a beat was offered.
        ready: a beat would have been taken.
        transfers: beats passed until then.
    """

    name: str
    valid: bool
    ready: bool
    transfers: int


class StuckError(SimulationError):
    """No handshake on either end for too long.

    Attributes:
        streams: every internal stream, in the order of the model's `streams`.
    """

    def __init__(
        self, message: str, streams: tuple[StreamState, ...], *, remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.streams = streams


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamResult:
    """What came out of a run.

    Attributes:
        sent: what passed on every input.
        received: what passed on every output.
        cycles: simulated cycles, with those after the last beat that looked for surplus beats;
            0 is the first after reset.
        wall_s: seconds that the simulation took, without compilation.
        identity: value of the identity port.
        activity: of every internal stream; empty where the design does not show them.
        high_water: most words in each of the `fifos` that were asked for, until the last output
            beat.
        taps: with `tap`, bytes (beats, word) that passed on every internal stream, by its name.
    """

    sent: tuple[Side, ...]
    received: tuple[Side, ...]
    cycles: int
    wall_s: float
    identity: int | None
    activity: tuple[StreamActivity, ...]
    high_water: tuple[int, ...]
    taps: Mapping[str, Bytes]


@dataclass(frozen=True, kw_only=True)
class StreamModel:
    """A design to simulate: what is compiled, and the folder of its memory files.

    Attributes:
        sources: SystemVerilog files.
        top: the module to drive.
        ports: its streams.
        parameters: of the top module.
        defines: SystemVerilog macros.
        include_dirs: folders for SystemVerilog `include`.
        data: folder that relative $readmem names start from; None: the working directory.
        streams: names of the bits of the top module's packed vectors `stream_valid` and
            `stream_ready` (marked `/* verilator public_flat_rd */`); empty where it has none.
            The data of stream i is called `data_<i>`. The harness can hold each of them up.
        rigid: those of them that must not be held up.
        cache: where compiled models are kept; None: the user's cache folder.
    """

    sources: Sequence[Path]
    top: str
    ports: StreamPorts
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    defines: Mapping[str, str] = field(default_factory=dict)
    include_dirs: Sequence[Path] = ()
    data: Path | None = None
    streams: tuple[str, ...] = ()
    rigid: Collection[str] = ()
    cache: Path | None = None

    def compile(self, *, trace: bool = False, tap: bool = False) -> Path:
        """Compile the design with its harness, or find it in the cache.

        Args:
            trace: able to write an FST file.
            tap: able to record the internal streams; slower.

        Raises:
            ToolMissingError: g++ or Verilator is not installed.
            ToolFailedError: the design does not compile.
        """
        return verilator.compile_library(
            sources=[
                *self.sources,
                *([_GATES] if self.streams else []),
                *([_TAPS] if tap else []),
            ],
            top=self.top,
            harness=_HARNESS,
            parameters=self.parameters,
            defines=self.defines,
            harness_defines=self._macros(tap=tap),
            include_dirs=self.include_dirs,
            trace=trace,
            cache=self.cache,
        )

    def run(
        self,
        inputs: Sequence[Bytes],
        expect: Sequence[int],
        drive: Drive | None = None,
        *,
        seed: int = 0,
        fifos: Sequence[tuple[str, str]] = (),
        trace: Path | None = None,
        tap: bool = False,
        progress: Callable[[Sequence[int]], None] | None = None,
    ) -> StreamResult:
        """Reset the design, send all inputs, receive all outputs, and look for more.

        Args:
            inputs: for every input, uint8 (beats, bytes), little-endian within a beat.
            expect: for every output, beats to wait for.
            drive: how; None: without stalls.
            seed: of the stalls and of the registers' values before reset.
            fifos: the streams into and out of each FIFO whose high-water mark is wanted.
            trace: FST file to write.
            tap: record what passes on the internal streams.
            progress: called now and then with the beats received so far from every output.

        Raises:
            SimulationError: the design broke the stream contract, gave a surplus beat, failed one
                of its own assertions, or could not read a memory file.
            StuckError: it got stuck.
            ToolMissingError, ToolFailedError: see `compile`.
        """
        drive = drive or Drive()
        self._check(inputs, expect, drive)
        rigid = [index for index, name in enumerate(self.streams) if name in self.rigid]
        watch = Watch.of(len(self.streams), self._numbers(fifos), rigid)
        if trace is not None:
            _check_writable(trace)
        library = self.compile(trace=trace is not None, tap=tap)
        start = time.perf_counter()
        with Session(library, data=self.data, trace=trace, seed=seed) as session:
            outcome = session.run(inputs, expect, drive, watch=watch, progress=progress)
            identity = session.identity if self.ports.identity else None
            taps = {
                name: _beats(session.recorded(index), int(watch.transfers[index]))
                for index, name in enumerate(self.streams if tap else ())
            }
        if trace is not None:
            _check_written(trace)
        wall_s = time.perf_counter() - start
        self._check_outcome(outcome, drive.stalls)
        return StreamResult(
            sent=outcome.inputs,
            received=outcome.outputs,
            cycles=outcome.cycle,
            wall_s=wall_s,
            identity=identity,
            activity=self._activity(outcome),
            high_water=tuple(watch.high_water.tolist()),
            taps=taps,
        )

    def _numbers(self, fifos: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
        """Of the streams into and out of each FIFO."""
        numbers = {name: index for index, name in enumerate(self.streams)}
        for name in (name for pair in fifos for name in pair):
            if name not in numbers:
                raise SimulationError(f"{self.top}: there is no internal stream {name!r}")
        return [(numbers[entering], numbers[leaving]) for entering, leaving in fifos]

    def _macros(self, *, tap: bool) -> dict[str, str]:
        macros = self.ports.macros
        if self.streams:
            macros["BNNEDGE_STREAM_VALID"] = f"{self.top}__DOT__stream_valid"
            macros["BNNEDGE_STREAM_READY"] = f"{self.top}__DOT__stream_ready"
        if tap:
            names = [
                f"BNNEDGE_TAP({i}, {self.top}__DOT__data_{i})" for i in range(len(self.streams))
            ]
            macros["BNNEDGE_TAPS"] = " ".join(names)
        return macros

    def _check(self, inputs: Sequence[Bytes], expect: Sequence[int], drive: Drive) -> None:
        wanted = (len(self.ports.inputs), len(self.ports.outputs))
        if (len(inputs), len(expect)) != wanted:
            raise SimulationError(
                f"{self.top}: wanted beats of {wanted[0]} inputs and {wanted[1]} outputs,"
                f" got {len(inputs)} and {len(expect)}"
            )
        for port, beats in zip(self.ports.inputs, inputs, strict=True):
            self._check_beats(port, beats)
        if min(expect, default=0) < 0:
            raise SimulationError(f"{self.top}: wanted beats to expect >= 0, got {list(expect)}")
        pace = drive.pace
        if pace is not None and min(pace.image_beats, pace.interval_cycles) < 1:
            raise SimulationError(f"{self.top}: wanted a pace of at least 1, got {pace}")

    def _check_beats(self, port: StreamPort, beats: Bytes) -> None:
        if port.width_bits is None:
            raise SimulationError(f"{self.top}: wanted the width of {port.name}, got None")
        wanted = -(-port.width_bits // 8)
        if beats.dtype != np.uint8 or beats.ndim != 2 or beats.shape[1] != wanted:
            raise SimulationError(
                f"{self.top}: wanted {port.name} beats as uint8 (beats, {wanted}),"
                f" got {beats.dtype} {beats.shape}"
            )
        spare = 8 * wanted - port.width_bits
        if spare and (beats[:, -1] >> (8 - spare)).any():
            raise SimulationError(
                f"{self.top}: a beat of {port.name} has bits set above its {port.width_bits} bits"
            )

    def _activity(self, outcome: Outcome) -> tuple[StreamActivity, ...]:
        ends = [int(side.cycles[-1]) + 1 for side in outcome.outputs if side.done]
        watch = outcome.watch
        return tuple(
            StreamActivity(
                name=name,
                cycles=max(ends, default=0),
                transfers=int(watch.transfers[i]),
                stalled_cycles=int(watch.stalled[i]),
                starved_cycles=int(watch.starved[i]),
            )
            for i, name in enumerate(self.streams)
        )

    def _check_outcome(self, outcome: Outcome, stalls: Stalls) -> None:
        """Raises SimulationError or StuckError unless the run ended well."""
        if outcome.status is Status.FINISHED:
            return
        held_up = "" if stalls == NO_STALLS else f" at {stalls.name}"
        where = f"{self.top}, cycle {outcome.cycle}{held_up}"
        watch = outcome.watch
        if outcome.status is not Status.STUCK:
            raise SimulationError(f"{where}: {self._complaint(outcome)}")
        states = tuple(
            StreamState(name=name, valid=bool(v), ready=bool(r), transfers=int(count))
            for name, v, r, count in zip(
                self.streams, watch.valid, watch.ready, watch.transfers, strict=True
            )
        )
        raise StuckError(f"{where}: {_stuck(outcome, states)}", states)

    def _complaint(self, outcome: Outcome) -> str:
        port, side = self.ports.outputs[outcome.culprit], outcome.outputs[outcome.culprit]
        beat = f"{side.name} beat {side.done}"
        match outcome.status:
            case Status.VALID_DROPPED:
                return f"{port.signals.valid} fell before {beat} was taken"
            case Status.DATA_CHANGED:
                return f"{port.signals.data} changed before {beat} was taken"
            case Status.LAST_CHANGED:
                return f"{port.last} changed before {beat} was taken"
            case Status.EXTRA_BEAT:
                which = f" of {side.name}" if len(outcome.outputs) > 1 else ""
                return f"an output beat too many{which} ({_done(outcome)})"
            case _:
                return verilator.stop_reason(outcome.messages)


def _stuck(outcome: Outcome, streams: Sequence[StreamState]) -> str:
    """Which streams hold a beat that is not taken, or wait for one; from input to output."""

    def at_the_end(side: Side) -> tuple[str, bool, bool]:
        # After its last beat a side waits for nothing more.
        return side.name, side.valid, side.ready and side.done < len(side.beats)

    states = [
        *map(at_the_end, outcome.inputs),
        *((stream.name, stream.valid, stream.ready) for stream in streams),
        *map(at_the_end, outcome.outputs),
    ]
    blocked = [name for name, valid, ready in states if valid and not ready]
    starved = [name for name, valid, ready in states if ready and not valid]
    parts = [f"{_some(blocked)} valid but not ready"] if blocked else []
    parts += [f"{_some(starved)} ready but not valid"] if starved else []
    blame = "; ".join(parts) or "no stream has a beat, and none waits for one"
    return f"stuck for {outcome.idle_cycles} cycles: {blame} ({_done(outcome)})"


def _done(outcome: Outcome) -> str:
    def counted(sides: Sequence[Side], verb: str) -> list[str]:
        return [f"{side.done} of {len(side.beats)} {side.name} beats {verb}" for side in sides]

    return ", ".join([*counted(outcome.inputs, "taken"), *counted(outcome.outputs, "received")])


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_STREAMS
    return ", ".join(names[:_NAMED_STREAMS]) + (f" and {more} more" if more > 0 else "")


def _beats(flat: Bytes, count: int) -> Bytes:
    return flat.reshape(count, flat.size // max(1, count))


def _check_writable(trace: Path) -> None:
    try:
        if trace.exists() and not trace.is_file():
            raise SimulationError(f"cannot write the trace {trace}: it is no file")
        trace.touch()
    except OSError as error:
        raise SimulationError(f"cannot write the trace {trace}: {error.strerror}") from error


def _check_written(trace: Path) -> None:
    if file_kind(trace) != FST:
        with contextlib.suppress(OSError):
            trace.unlink()
        raise SimulationError(
            f"cannot write the trace {trace}", remedy="make room, or choose another disk"
        )
