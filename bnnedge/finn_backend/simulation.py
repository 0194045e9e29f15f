"""A compiled design between any number of AXI4-Streams, driven in C++ behind ctypes."""

import ctypes
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnedge.errors import SimulationError
from bnnedge.verilated import verilator

_SLICE_S = 0.1  # how long Ctrl-C may have to wait


class _Status(enum.IntEnum):
    """`Status` of harness/axis.cpp."""

    RUNNING = 0
    FINISHED = 1
    VALID_DROPPED = 2
    DATA_CHANGED = 3
    STUCK = 4
    EXTRA_BEAT = 5
    DESIGN_FAILED = 6


class _Beats(ctypes.Structure):
    """`Beats` of harness/axis.cpp, field by field."""

    _fields_ = (("data", ctypes.c_void_p), ("count", ctypes.c_int64), ("done", ctypes.c_int64))


@dataclass(frozen=True, kw_only=True)
class _Port:
    name: str
    width_bytes: int


class Simulation:
    """A design between its streams. It starts reset; `close` frees it.

    Args:
        library: what `compile_sim_obj` made.
        data: folder of its memory files.
        trace: FST file to write; only if compiled with `debug`.
        stall_in: probability that a new input beat is withheld for a cycle.
        stall_out: probability that an output is not ready in a cycle.
        seed: of the stalls and of the registers' values before reset.
    """

    def __init__(
        self,
        library: Path,
        *,
        data: Path,
        trace: Path | None = None,
        stall_in: float = 0.0,
        stall_out: float = 0.0,
        seed: int = 0,
    ) -> None:
        handle, integer, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
        signatures: verilator.Signatures = {
            "axis_create": (
                [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint64, real, real],
                handle,
            ),
            "axis_destroy": ([handle], None),
            "axis_reset": ([handle], None),
            "axis_count": ([handle, ctypes.c_int32], integer),
            "axis_name": ([handle, ctypes.c_int32, integer], ctypes.c_char_p),
            "axis_bytes": ([handle, ctypes.c_int32, integer], integer),
            "axis_begin": ([handle, handle, handle, integer], None),
            "axis_listen": ([handle, handle, handle], None),
            "axis_run": ([handle, real], ctypes.c_int32),
            "axis_cycles": ([handle], integer),
            "axis_culprit": ([handle], integer),
            "axis_messages": ([], ctypes.c_char_p),
        }
        self._library = verilator.load_library(library, signatures)
        self._handle: int | None = self._library.axis_create(
            str(data).encode(), str(trace).encode() if trace else None, seed, stall_in, stall_out
        )
        # Stalls are no sign of being stuck.
        self._patience = 1 / ((1 - stall_in) * (1 - stall_out))
        self._inputs = self._ports(outputs=False)
        self._outputs = self._ports(outputs=True)

    def close(self) -> None:
        """Free the model."""
        if self._handle is not None:
            self._library.axis_destroy(self._handle)
            self._handle = None

    def reset(self) -> None:
        """Hold the reset for 16 cycles."""
        self._library.axis_reset(self._handle)

    def run(
        self,
        inputs: Mapping[str, Sequence[int]],
        expected: Mapping[str, int],
        *,
        watchdog_cycles: int,
    ) -> tuple[int, dict[str, list[int]]]:
        """Go on from where the design is; arguments and errors as in `rtlsim_multi_io`.

        Returns:
            Clock cycles until the last handshake, and the beats of every output.
        """
        for named, ports in ((inputs, self._inputs), (expected, self._outputs)):
            names = [port.name for port in ports]
            if not set(named) <= set(names):
                raise SimulationError(f"wanted streams of {names}, got {list(named)}")
        # FINN's Thresholding has an input that only loops use.
        sent = [
            _buffer(beat.to_bytes(port.width_bytes, "little") for beat in inputs.get(port.name, ()))
            for port in self._inputs
        ]
        received = [
            _buffer([bytes(expected.get(port.name, 0) * port.width_bytes)])
            for port in self._outputs
        ]
        ins = _beats(sent, self._inputs)
        outs = _beats(received, self._outputs)
        watchdog = int(watchdog_cycles * self._patience)
        self._library.axis_begin(self._handle, ins, outs, watchdog)
        self._finish(ins, outs, watchdog)
        return self._library.axis_cycles(self._handle), {
            port.name: [
                int.from_bytes(data[start : start + port.width_bytes], "little")
                for start in range(0, len(data), port.width_bytes)
            ]
            for port, data in zip(self._outputs, map(bytes, received), strict=True)
        }

    def expect_silence(self) -> None:
        """Look for beats beyond those that the last `run` received.

        FINN's FMPadding has some: it begins the next image's padding before that comes.

        Raises:
            SimulationError: there is one.
        """
        ins = _beats([_buffer(()) for _ in self._inputs], self._inputs)
        outs = _beats([_buffer(()) for _ in self._outputs], self._outputs)
        self._library.axis_listen(self._handle, ins, outs)
        self._finish(ins, outs, 0)

    def _finish(self, ins: Any, outs: Any, watchdog: int) -> None:
        status = _Status.RUNNING
        while status is _Status.RUNNING:
            status = _Status(self._library.axis_run(self._handle, _SLICE_S))
        if status is not _Status.FINISHED:
            remedy = "give joins behind a fork deeper FIFOs" if status is _Status.STUCK else None
            raise SimulationError(self._complaint(status, ins, outs, watchdog), remedy=remedy)

    def _ports(self, *, outputs: bool) -> tuple[_Port, ...]:
        return tuple(
            _Port(
                name=self._library.axis_name(self._handle, outputs, index).decode(),
                width_bytes=self._library.axis_bytes(self._handle, outputs, index),
            )
            for index in range(self._library.axis_count(self._handle, outputs))
        )

    def _complaint(self, status: _Status, ins: Any, outs: Any, watchdog: int) -> str:
        done = "; ".join(
            f"{port.name}: {beats.done} of {beats.count} beats"
            for port, beats in zip((*self._inputs, *self._outputs), (*ins, *outs), strict=True)
        )
        culprit = self._outputs[self._library.axis_culprit(self._handle)].name
        match status:
            case _Status.VALID_DROPPED:
                return f"{culprit}: valid fell before a beat was taken ({done})"
            case _Status.DATA_CHANGED:
                return f"{culprit}: data changed before a beat was taken ({done})"
            case _Status.EXTRA_BEAT:
                return f"{culprit}: a beat too many ({done})"
            case _Status.STUCK:
                return f"stuck for {watchdog} cycles ({done})"
            case _:
                text = self._library.axis_messages().decode(errors="replace")
                return f"{verilator.stop_reason(text)} ({done})"


def _buffer(parts: Iterable[bytes]) -> "ctypes.Array[ctypes.c_uint8]":
    data = b"".join(parts)
    return (ctypes.c_uint8 * len(data)).from_buffer_copy(data)


def _beats(data: Sequence[Any], ports: Sequence[_Port]) -> Any:
    return (_Beats * len(ports))(
        *(
            _Beats(ctypes.cast(part, ctypes.c_void_p), len(part) // port.width_bytes, 0)
            for part, port in zip(data, ports, strict=True)
        )
    )
