"""A compiled module between its streams, driven in C++ behind ctypes: no Python in the loop."""

import ctypes
import enum
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.verilated import verilator
from bnnedge.verilated.drive import Drive
from bnnedge.verilated.stalls import Hold

Bytes = NDArray[np.uint8]

_CHUNK_S = 0.1  # how long Ctrl-C may have to wait


class Status(enum.IntEnum):
    """How a run ended; `Status` of harness/job.h."""

    RUNNING = 0
    FINISHED = 1
    VALID_DROPPED = 2
    DATA_CHANGED = 3
    LAST_CHANGED = 4
    STUCK = 5
    EXTRA_BEAT = 6
    DESIGN_FAILED = 7


class _Hold(ctypes.Structure):
    _fields_ = (("begin", ctypes.c_uint32), ("continue_", ctypes.c_uint32))


class _Beats(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("cycles", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("done", ctypes.c_int64),
        ("valid", ctypes.c_int32),
        ("ready", ctypes.c_int32),
    )


class _Job(ctypes.Structure):
    _fields_ = (
        ("inputs", ctypes.POINTER(_Beats)),
        ("outputs", ctypes.POINTER(_Beats)),
        ("watchdog_cycles", ctypes.c_int64),
        ("hold_in", _Hold),
        ("hold_out", _Hold),
        ("hold_inner", _Hold),
        ("enough", ctypes.c_double),
        ("image_beats", ctypes.c_int64),
        ("interval_cycles", ctypes.c_int64),
        ("more", ctypes.c_int64),
        ("streams", ctypes.c_int64),
        ("fifos", ctypes.c_int64),
        ("fifo_in", ctypes.c_void_p),
        ("fifo_out", ctypes.c_void_p),
        ("rigid", ctypes.c_void_p),
        ("cycle", ctypes.c_int64),
        ("idle_cycles", ctypes.c_int64),
        ("culprit", ctypes.c_int64),
        ("valid", ctypes.c_void_p),
        ("ready", ctypes.c_void_p),
        ("transfers", ctypes.c_void_p),
        ("stalled", ctypes.c_void_p),
        ("starved", ctypes.c_void_p),
        ("high_water", ctypes.c_void_p),
    )


_LAYOUTS = verilator.Layouts(function="stream_layout", structures=(_Hold, _Beats, _Job))


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """What passed on one stream of the module's ends.

    Attributes:
        name: of the stream.
        beats: uint8 (beats, bytes), little-endian within a beat; of an output, 0 where none came.
        last: bool (beats,), false without a `last` port.
        cycles: int64 (beats,), clock cycle of each handshake; 0 is the run's first.
        done: beats that passed.
        valid: in the last cycle, a beat was offered.
        ready: in the last cycle, a beat would have been taken.
    """

    name: str
    beats: Bytes
    last: NDArray[np.bool_]
    cycles: NDArray[np.int64]
    done: int
    valid: bool
    ready: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Watch:
    """The streams between kernels, and FIFOs among them; a run fills it in.

    Attributes:
        fifos: int32 (2, FIFOs), numbers of the streams into and out of each.
        rigid: uint8 (streams,), 1 where it is never held up.
        valid: uint8 (streams,), in the last cycle.
        ready: the same.
        transfers: int64 (streams,), beats that passed until the last result.
        stalled: int64 (streams,), cycles in which it was valid and not ready.
        starved: int64 (streams,), cycles in which it was ready and not valid.
        high_water: int64 (FIFOs,), the most words in each.
    """

    fifos: NDArray[np.int32]
    rigid: NDArray[np.uint8]
    valid: NDArray[np.uint8]
    ready: NDArray[np.uint8]
    transfers: NDArray[np.int64]
    stalled: NDArray[np.int64]
    starved: NDArray[np.int64]
    high_water: NDArray[np.int64]

    @classmethod
    def of(
        cls, streams: int, fifos: Sequence[tuple[int, int]] = (), rigid: Sequence[int] = ()
    ) -> "Watch":
        """Nothing seen yet of so many streams, and of the FIFOs between two of them each."""
        valid, ready, held = np.zeros((3, streams), np.uint8)
        held[list(rigid)] = 1
        transfers, stalled, starved = np.zeros((3, streams), np.int64)
        return cls(
            fifos=np.ascontiguousarray(np.array(fifos, np.int32).reshape(-1, 2).T),
            rigid=held,
            valid=valid,
            ready=ready,
            transfers=transfers,
            stalled=stalled,
            starved=starved,
            high_water=np.zeros(len(fifos), np.int64),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What a run showed.

    Attributes:
        status: how it ended.
        messages: what the module printed.
        cycle: clock cycles of the run.
        idle_cycles: those without a handshake at its end.
        culprit: the output that broke the protocol.
        inputs: of every input.
        outputs: of every output.
        watch: of the internal streams.
    """

    status: Status
    messages: str
    cycle: int
    idle_cycles: int
    culprit: int
    inputs: tuple[Side, ...]
    outputs: tuple[Side, ...]
    watch: Watch

    @property
    def sides(self) -> tuple[Side, ...]:
        """Inputs, then outputs."""
        return (*self.inputs, *self.outputs)


@dataclass(frozen=True, kw_only=True)
class End:
    """A stream that a module takes or gives: its name, and bytes of a beat."""

    name: str
    beat_bytes: int


class Session(verilator.Closeable):
    """A module, reset and then driven as often as wanted; close it, or use it in a `with`.

    Args:
        library: what `bnnedge.verilated.stream.StreamModel.compile` made.
        data: folder of the module's memory files; None: the working directory.
        trace: FST file to write, where it was compiled for that.
        seed: of the stalls and of the registers' values before reset.
        reset_cycles: how long the reset is held.

    Attributes:
        inputs: the streams that the module takes.
        outputs: the streams that it gives.
    """

    def __init__(
        self,
        library: Path,
        *,
        data: Path | None,
        trace: Path | None = None,
        seed: int = 0,
        reset_cycles: int = 4,
    ) -> None:
        handle, number = ctypes.c_void_p, ctypes.c_int64
        signatures: verilator.Signatures = {
            "stream_create": ([ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint64, number], handle),
            "stream_destroy": ([handle], None),
            "stream_reset": ([handle], None),
            "stream_identity": ([handle], ctypes.c_uint32),
            "stream_count": ([handle, ctypes.c_int32], number),
            "stream_name": ([handle, ctypes.c_int32, number], ctypes.c_char_p),
            "stream_bytes": ([handle, ctypes.c_int32, number], number),
            "stream_begin": ([handle, ctypes.POINTER(_Job)], None),
            "stream_run": ([handle, ctypes.c_double], ctypes.c_int32),
            "stream_recorded": ([handle, number, ctypes.POINTER(number)], handle),
            "stream_messages": ([], ctypes.c_char_p),
        }
        self._library = verilator.load_library(library, signatures, _LAYOUTS)
        self._handle: int | None = self._library.stream_create(
            os.fsencode(data.absolute()) if data else b"",
            os.fsencode(trace.absolute()) if trace else None,
            seed,
            reset_cycles,
        )
        self.inputs = self._ends(outputs=False)
        self.outputs = self._ends(outputs=True)

    def _ends(self, *, outputs: bool) -> tuple[End, ...]:
        return tuple(
            End(
                name=self._library.stream_name(self._handle, outputs, index).decode(),
                beat_bytes=int(self._library.stream_bytes(self._handle, outputs, index)),
            )
            for index in range(self._library.stream_count(self._handle, outputs))
        )

    def close(self) -> None:
        """Free the model, and finish its trace."""
        if self._handle is not None:
            self._library.stream_destroy(self._handle)
            self._handle = None

    def reset(self) -> None:
        """Hold the reset again."""
        self._library.stream_reset(self._handle)

    @property
    def identity(self) -> int:
        """Value of the identity port; 0 without one."""
        return int(self._library.stream_identity(self._handle))

    def recorded(self, stream: int) -> Bytes:
        """What passed on an internal stream in the last run, beat behind beat; uint8 (bytes,)."""
        size = ctypes.c_int64()
        address = self._library.stream_recorded(self._handle, stream, ctypes.byref(size))
        return np.frombuffer(ctypes.string_at(address, size.value) if size.value else b"", np.uint8)

    def run(
        self,
        inputs: Sequence[Bytes],
        expect: Sequence[int],
        drive: Drive,
        *,
        watch: Watch | None = None,
        progress: Callable[[Sequence[int]], None] | None = None,
    ) -> Outcome:
        """Go on from where the module is until every beat has passed or something went wrong.

        Args:
            inputs: for every input, uint8 (beats, bytes of a beat).
            expect: for every output, beats to receive.
            drive: how.
            watch: of the internal streams that the module shows.
            progress: called now and then with the beats received so far from every output.
        """
        watch = watch or Watch.of(0)
        sent = [_Buffer(np.ascontiguousarray(part)) for part in inputs]
        received = [
            _Buffer(np.zeros((count, end.beat_bytes), np.uint8))
            for end, count in zip(self.outputs, expect, strict=True)
        ]
        ends = [(_Beats * len(side))(*(one.fields for one in side)) for side in (sent, received)]
        job = _job(drive, watch)
        job.inputs, job.outputs = ends
        status = self._simulate(job, ends[1], progress)
        return Outcome(
            status=status,
            messages=self._library.stream_messages().decode(errors="replace"),
            cycle=job.cycle,
            idle_cycles=job.idle_cycles,
            culprit=job.culprit,
            inputs=_sides(self.inputs, sent, ends[0]),
            outputs=_sides(self.outputs, received, ends[1]),
            watch=watch,
        )

    def _simulate(
        self, job: _Job, outputs: Any, progress: Callable[[Sequence[int]], None] | None
    ) -> Status:
        self._library.stream_begin(self._handle, ctypes.byref(job))
        status = Status.RUNNING
        while status is Status.RUNNING:
            status = Status(self._library.stream_run(self._handle, _CHUNK_S))
            if progress:
                progress([side.done for side in outputs])
        return status


def _job(drive: Drive, watch: Watch) -> _Job:
    """All but the streams at the ends."""
    return _Job(
        watchdog_cycles=drive.patience_cycles,
        hold_in=_hold(drive.stalls.input, drive),
        hold_out=_hold(drive.stalls.output, drive),
        hold_inner=_hold(drive.stalls.inner, drive),
        enough=drive.stalls.enough,
        image_beats=drive.pace.image_beats if drive.pace else 0,
        interval_cycles=drive.pace.interval_cycles if drive.pace else 0,
        more=drive.more,
        streams=len(watch.valid),
        fifos=len(watch.high_water),
        fifo_in=watch.fifos[0].ctypes.data,
        fifo_out=watch.fifos[1].ctypes.data,
        rigid=watch.rigid.ctypes.data,
        valid=watch.valid.ctypes.data,
        ready=watch.ready.ctypes.data,
        transfers=watch.transfers.ctypes.data,
        stalled=watch.stalled.ctypes.data,
        starved=watch.starved.ctypes.data,
        high_water=watch.high_water.ctypes.data,
    )


class _Buffer:
    """What C++ reads or writes of one stream."""

    def __init__(self, beats: Bytes) -> None:
        self.beats = beats
        self.last = np.zeros(len(beats), np.uint8)
        self.cycles = np.zeros(len(beats), np.int64)

    @property
    def fields(self) -> _Beats:
        return _Beats(
            data=self.beats.ctypes.data,
            last=self.last.ctypes.data,
            cycles=self.cycles.ctypes.data,
            count=len(self.beats),
        )


def _sides(ends: Sequence[End], buffers: Sequence[_Buffer], passed: Any) -> tuple[Side, ...]:
    return tuple(
        Side(
            name=end.name,
            beats=buffer.beats,
            last=buffer.last.astype(np.bool_),
            cycles=buffer.cycles,
            done=beats.done,
            valid=bool(beats.valid),
            ready=bool(beats.ready),
        )
        for end, buffer, beats in zip(ends, buffers, passed, strict=True)
    )


def _hold(hold: Hold, drive: Drive) -> _Hold:
    begin, continue_ = (min(int(x * 2**32), 2**32 - 1) for x in hold.chances(drive.image_cycles))
    return _Hold(begin=begin, continue_=continue_)
