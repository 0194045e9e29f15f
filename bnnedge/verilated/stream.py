"""Simulating a module with one input and one output stream, without Python in the clock loop."""

import contextlib
import ctypes
import enum
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import SimulationError
from bnnedge.filekinds import FST, file_kind
from bnnedge.verilated import verilator
from bnnedge.verilated.stalls import NO_STALLS, Hold, Stalls

Bytes = NDArray[np.uint8]

_CHUNK_S = 0.1  # how long Ctrl-C may have to wait
_NAMED_STREAMS = 8  # in a message
_HARNESS = verilator.HARNESS_FOLDER / "stream.cpp"
_GATES = verilator.HARNESS_FOLDER / "gates.v"
_TAPS = verilator.HARNESS_FOLDER / "taps.v"


@dataclass(frozen=True, kw_only=True)
class StreamPorts:
    """Widths and names of the ports that the harness drives; `None` where there is no such port.

    The defaults are the names of bnnedge's kernels.
    """

    in_bits: int
    out_bits: int
    clock: str = "clk_i"
    reset: str = "rst_ni"
    in_valid: str = "in_valid_i"
    in_ready: str = "in_ready_o"
    in_data: str = "in_data_i"
    out_valid: str = "out_valid_o"
    out_ready: str = "out_ready_i"
    out_data: str = "out_data_o"
    out_last: str | None = None
    identity: str | None = None

    @classmethod
    def axi(cls, *, in_bits: int, out_bits: int) -> "StreamPorts":
        """The AXI4-Stream ports of `bnnedge_core`."""
        return cls(
            in_bits=in_bits,
            out_bits=out_bits,
            in_valid="s_axis_tvalid",
            in_ready="s_axis_tready",
            in_data="s_axis_tdata",
            out_valid="m_axis_tvalid",
            out_ready="m_axis_tready",
            out_data="m_axis_tdata",
            out_last="m_axis_tlast",
            identity="id_o",
        )

    @property
    def in_bytes(self) -> int:
        """Bytes of one input beat."""
        return -(-self.in_bits // 8)

    @property
    def out_bytes(self) -> int:
        """Bytes of one output beat."""
        return -(-self.out_bits // 8)


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


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Input at a given rate.

    Attributes:
        image_beats: input beats of an image.
        interval_cycles: clock cycles from the first beat of an image to that of the next one, at
            least; an image's beats are spread evenly over them, as far as they are taken in time.
    """

    image_beats: int
    interval_cycles: int


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamResult:
    """What came out of a run.

    Attributes:
        outputs: uint8 (beats, out_bytes), little-endian within a beat.
        last: bool (beats,), false without a `last` port.
        out_cycles: int64 (beats,), cycle of each output handshake; 0 is the first after reset.
        in_cycles: int64 (input beats,), cycle of each input handshake.
        cycles: simulated cycles, with those after the last beat that looked for surplus beats.
        wall_s: seconds that the simulation took, without compilation.
        identity: value of the identity port.
        activity: of every internal stream; empty where the design does not show them.
        high_water: most words in each of the `fifos` that were asked for, until the last output
            beat.
        taps: with `tap`, bytes (beats, word) that passed on every internal stream, by its name.
    """

    outputs: Bytes
    last: NDArray[np.bool_]
    out_cycles: NDArray[np.int64]
    in_cycles: NDArray[np.int64]
    cycles: int
    wall_s: float
    identity: int | None
    activity: tuple[StreamActivity, ...]
    high_water: tuple[int, ...]
    taps: Mapping[str, Bytes]


class _Status(enum.IntEnum):
    """`Status` of harness/stream.cpp."""

    RUNNING = 0
    FINISHED = 1
    VALID_DROPPED = 2
    DATA_CHANGED = 3
    LAST_CHANGED = 4
    STUCK = 5
    EXTRA_BEAT = 6
    DESIGN_FAILED = 7


class _Hold(ctypes.Structure):
    """`Hold` of harness/stream.cpp, field by field."""

    _fields_ = (("begin", ctypes.c_uint32), ("continue_", ctypes.c_uint32))


class _Job(ctypes.Structure):
    """`Job` of harness/stream.cpp, field by field."""

    _fields_ = (
        ("inputs", ctypes.c_void_p),
        ("in_cycles", ctypes.c_void_p),
        ("in_beats", ctypes.c_int64),
        ("outputs", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("out_cycles", ctypes.c_void_p),
        ("out_beats", ctypes.c_int64),
        ("watchdog_cycles", ctypes.c_int64),
        ("seed", ctypes.c_uint64),
        ("hold_in", _Hold),
        ("hold_out", _Hold),
        ("hold_inner", _Hold),
        ("enough", ctypes.c_double),
        ("image_beats", ctypes.c_int64),
        ("interval_cycles", ctypes.c_int64),
        ("streams", ctypes.c_int64),
        ("fifos", ctypes.c_int64),
        ("fifo_in", ctypes.c_void_p),
        ("fifo_out", ctypes.c_void_p),
        ("in_done", ctypes.c_int64),
        ("out_done", ctypes.c_int64),
        ("cycle", ctypes.c_int64),
        ("idle_cycles", ctypes.c_int64),
        ("valid", ctypes.c_void_p),
        ("ready", ctypes.c_void_p),
        ("transfers", ctypes.c_void_p),
        ("stalled", ctypes.c_void_p),
        ("starved", ctypes.c_void_p),
        ("high_water", ctypes.c_void_p),
        ("identity", ctypes.c_uint32),
        ("in_valid", ctypes.c_int32),
        ("in_ready", ctypes.c_int32),
        ("out_valid", ctypes.c_int32),
        ("out_ready", ctypes.c_int32),
    )


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
        inputs: Bytes,
        expect_beats: int,
        *,
        stalls: Stalls = NO_STALLS,
        image_cycles: int = 1,
        seed: int = 0,
        watchdog_cycles: int = 10_000,
        pace: Pace | None = None,
        fifos: Sequence[tuple[str, str]] = (),
        trace: Path | None = None,
        tap: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> StreamResult:
        """Reset the design, send all inputs, receive `expect_beats` outputs, and look for more.

        Args:
            inputs: uint8 (beats, in_bytes), little-endian within a beat.
            expect_beats: output beats to wait for.
            stalls: how the streams are held up.
            image_cycles: clock cycles of an image, the unit of long stalls.
            seed: of the stalls and of the registers' values before reset.
            watchdog_cycles: cycles without any handshake on either end after which the design,
                were nothing held up, counts as stuck; what the stalls may take comes on top, and a
                paced input's interval.
            pace: of the input; None: as fast as it is taken.
            fifos: the streams into and out of each FIFO whose high-water mark is wanted.
            trace: FST file to write.
            tap: record what passes on the internal streams.
            progress: called now and then with the output beats received so far.

        Raises:
            SimulationError: the design broke the stream contract, gave a surplus beat, failed one
                of its own assertions, or could not read a memory file.
            StuckError: it got stuck.
            ToolMissingError, ToolFailedError: see `compile`.
        """
        inputs = np.ascontiguousarray(inputs)
        self._check(inputs, expect_beats)
        ends = self._fifo_ends(fifos)
        if pace is not None and min(pace.image_beats, pace.interval_cycles) < 1:
            raise SimulationError(f"{self.top}: wanted a pace of at least 1, got {pace}")
        if trace is not None:
            _check_writable(trace)
        library = verilator.load_library(self.compile(trace=trace is not None, tap=tap))
        outputs = np.zeros((expect_beats, self.ports.out_bytes), np.uint8)
        last = np.zeros(expect_beats, np.uint8)
        out_cycles = np.zeros(expect_beats, np.int64)
        in_cycles = np.zeros(len(inputs), np.int64)
        valid, ready = np.zeros((2, len(self.streams)), np.uint8)
        transfers, stalled, starved = np.zeros((3, len(self.streams)), np.int64)
        high_water = np.zeros(len(fifos), np.int64)
        factor, on_top = stalls.patience(image_cycles)
        job = _Job(
            inputs=inputs.ctypes.data,
            in_cycles=in_cycles.ctypes.data,
            in_beats=len(inputs),
            outputs=outputs.ctypes.data,
            last=last.ctypes.data,
            out_cycles=out_cycles.ctypes.data,
            out_beats=expect_beats,
            watchdog_cycles=int(watchdog_cycles * factor)
            + on_top
            + (pace.interval_cycles if pace else 0),
            seed=seed,
            hold_in=_hold(stalls.input, image_cycles),
            hold_out=_hold(stalls.output, image_cycles),
            hold_inner=_hold(stalls.inner, image_cycles),
            enough=stalls.enough,
            image_beats=pace.image_beats if pace else 0,
            interval_cycles=pace.interval_cycles if pace else 0,
            streams=len(self.streams),
            fifos=len(fifos),
            fifo_in=ends[0].ctypes.data,
            fifo_out=ends[1].ctypes.data,
            valid=valid.ctypes.data,
            ready=ready.ctypes.data,
            transfers=transfers.ctypes.data,
            stalled=stalled.ctypes.data,
            starved=starved.ctypes.data,
            high_water=high_water.ctypes.data,
        )
        start = time.perf_counter()
        tapped = len(self.streams) if tap else 0
        status, messages, recorded = _simulate(library, job, self.data, trace, tapped, progress)
        if trace is not None and file_kind(trace) != FST:
            with contextlib.suppress(OSError):
                trace.unlink()
            raise SimulationError(
                f"cannot write the trace {trace}", remedy="make room, or choose another disk"
            )
        wall_s = time.perf_counter() - start
        if status is _Status.STUCK:
            states = tuple(
                StreamState(name=name, valid=bool(v), ready=bool(r), transfers=int(count))
                for name, v, r, count in zip(self.streams, valid, ready, transfers, strict=True)
            )
            raise StuckError(self._stuck(job, states, stalls), states)
        if status is not _Status.FINISHED:
            raise SimulationError(self._complaint(status, job, messages, stalls))
        return StreamResult(
            outputs=outputs,
            last=last.astype(np.bool_),
            out_cycles=out_cycles,
            in_cycles=in_cycles,
            cycles=job.cycle,
            wall_s=wall_s,
            identity=job.identity if self.ports.identity else None,
            activity=tuple(
                StreamActivity(
                    name=name,
                    cycles=int(out_cycles[-1]) + 1 if expect_beats else 0,
                    transfers=int(transfers[i]),
                    stalled_cycles=int(stalled[i]),
                    starved_cycles=int(starved[i]),
                )
                for i, name in enumerate(self.streams)
            ),
            high_water=tuple(high_water.tolist()),
            taps={
                name: data.reshape(int(count), data.size // max(1, int(count)))
                for name, data, count in zip(
                    self.streams[:tapped], recorded, transfers[:tapped], strict=True
                )
            },
        )

    def _fifo_ends(self, fifos: Sequence[tuple[str, str]]) -> NDArray[np.int32]:
        """Numbers (2, FIFOs) of the streams into and out of each."""
        numbers = {name: index for index, name in enumerate(self.streams)}
        for name in (name for pair in fifos for name in pair):
            if name not in numbers:
                raise SimulationError(f"{self.top}: there is no internal stream {name!r}")
        return np.array([[numbers[pair[end]] for pair in fifos] for end in (0, 1)], np.int32)

    def _macros(self, *, tap: bool) -> dict[str, str]:
        ports = self.ports
        macros = {
            "BNNEDGE_IN_BITS": str(ports.in_bits),
            "BNNEDGE_OUT_BITS": str(ports.out_bits),
            "BNNEDGE_CLOCK": ports.clock,
            "BNNEDGE_RESET": ports.reset,
            "BNNEDGE_IN_VALID": ports.in_valid,
            "BNNEDGE_IN_READY": ports.in_ready,
            "BNNEDGE_IN_DATA": ports.in_data,
            "BNNEDGE_OUT_VALID": ports.out_valid,
            "BNNEDGE_OUT_READY": ports.out_ready,
            "BNNEDGE_OUT_DATA": ports.out_data,
        }
        if ports.out_last:
            macros["BNNEDGE_OUT_LAST"] = ports.out_last
        if ports.identity:
            macros["BNNEDGE_IDENTITY"] = ports.identity
        if self.streams:
            macros["BNNEDGE_STREAM_VALID"] = f"{self.top}__DOT__stream_valid"
            macros["BNNEDGE_STREAM_READY"] = f"{self.top}__DOT__stream_ready"
        if tap:
            names = [
                f"BNNEDGE_TAP({i}, {self.top}__DOT__data_{i})" for i in range(len(self.streams))
            ]
            macros["BNNEDGE_TAPS"] = " ".join(names)
        return macros

    def _check(self, inputs: Bytes, expect: int) -> None:
        wanted = self.ports.in_bytes
        if inputs.dtype != np.uint8 or inputs.ndim != 2 or inputs.shape[1] != wanted:
            raise SimulationError(
                f"{self.top}: wanted input beats as uint8 (beats, {wanted}),"
                f" got {inputs.dtype} {inputs.shape}"
            )
        spare = 8 * wanted - self.ports.in_bits
        if spare and (inputs[:, -1] >> (8 - spare)).any():
            raise SimulationError(
                f"{self.top}: an input beat has bits set above its {self.ports.in_bits} bits"
            )
        if expect < 0:
            raise SimulationError(f"{self.top}: wanted expect_beats >= 0, got {expect}")

    def _where(self, job: Any, stalls: Stalls) -> str:
        held_up = "" if stalls == NO_STALLS else f" at {stalls.name}"
        return f"{self.top}, cycle {job.cycle}{held_up}"

    def _complaint(self, status: _Status, job: Any, messages: str, stalls: Stalls) -> str:
        where = self._where(job, stalls)
        out = f"output beat {job.out_done}"
        match status:
            case _Status.VALID_DROPPED:
                return f"{where}: {self.ports.out_valid} fell before {out} was taken"
            case _Status.DATA_CHANGED:
                return f"{where}: {self.ports.out_data} changed before {out} was taken"
            case _Status.LAST_CHANGED:
                return f"{where}: {self.ports.out_last} changed before {out} was taken"
            case _Status.EXTRA_BEAT:
                return f"{where}: an output beat too many ({_done(job)})"
            case _:
                return f"{where}: {verilator.stop_reason(messages)}"

    def _stuck(self, job: Any, streams: Sequence[StreamState], stalls: Stalls) -> str:
        """Which streams hold a beat that is not taken, or wait for one; from input to output."""
        # After its last beat a side waits for nothing more.
        states = [("input", job.in_valid, job.in_ready and job.in_done < job.in_beats)]
        states += [(stream.name, stream.valid, stream.ready) for stream in streams]
        states.append(("output", job.out_valid, job.out_ready and job.out_done < job.out_beats))
        blocked = [name for name, valid, ready in states if valid and not ready]
        starved = [name for name, valid, ready in states if ready and not valid]
        parts = [f"{_some(blocked)} valid but not ready"] if blocked else []
        parts += [f"{_some(starved)} ready but not valid"] if starved else []
        blame = "; ".join(parts) or "no stream has a beat, and none waits for one"
        return (
            f"{self._where(job, stalls)}: stuck for {job.idle_cycles} cycles: {blame}"
            f" ({_done(job)})"
        )


def _hold(hold: Hold, image_cycles: int) -> _Hold:
    begin, continue_ = (min(int(x * 2**32), 2**32 - 1) for x in hold.chances(image_cycles))
    return _Hold(begin=begin, continue_=continue_)


def _done(job: Any) -> str:
    return (
        f"{job.in_done} of {job.in_beats} input beats taken,"
        f" {job.out_done} of {job.out_beats} output beats received"
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_STREAMS
    return ", ".join(names[:_NAMED_STREAMS]) + (f" and {more} more" if more > 0 else "")


def _check_writable(trace: Path) -> None:
    try:
        if trace.exists() and not trace.is_file():
            raise SimulationError(f"cannot write the trace {trace}: it is no file")
        trace.touch()
    except OSError as error:
        raise SimulationError(f"cannot write the trace {trace}: {error.strerror}") from error


def _simulate(
    library: ctypes.CDLL,
    job: Any,
    data: Path | None,
    trace: Path | None,
    tapped: int,
    progress: Callable[[int], None] | None,
) -> tuple[_Status, str, list[Bytes]]:
    """Run to the end; how it ended, what the design printed, what passed on tapped streams."""
    library.stream_create.restype = ctypes.c_void_p
    library.stream_messages.restype = ctypes.c_char_p
    library.stream_recorded.restype = ctypes.c_void_p
    simulation = ctypes.c_void_p(
        library.stream_create(
            ctypes.byref(job),
            os.fsencode(data.absolute()) if data else b"",
            os.fsencode(trace.absolute()) if trace else None,
        )
    )
    try:
        status = _Status.RUNNING
        while status is _Status.RUNNING:
            status = _Status(library.stream_run(simulation, ctypes.c_double(_CHUNK_S)))
            if progress:
                progress(job.out_done)
        recorded = []
        for index in range(tapped):
            size = ctypes.c_int64()
            address = library.stream_recorded(simulation, index, ctypes.byref(size))
            text = ctypes.string_at(address, size.value) if size.value else b""
            recorded.append(np.frombuffer(text, np.uint8))
        return status, library.stream_messages().decode(errors="replace"), recorded
    finally:
        library.stream_destroy(simulation)
