"""A compiled design between its AXI4-Streams, as FINN's rtlsim drives it: again and again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import SimulationError
from bnnedge.verilated import verilator
from bnnedge.verilated.drive import Drive
from bnnedge.verilated.session import End, Outcome, Session, Status
from bnnedge.verilated.stalls import NO_STALLS, Stalls

_RESET_CYCLES = 16  # as many as FINN's own harness


class Simulation(verilator.Closeable):
    """A design between its streams. It starts reset; `close` frees it.

    Args:
        library: what `compile_sim_obj` made.
        data: folder of its memory files.
        trace: FST file to write; only if compiled with `debug`.
        stalls: how its streams are held up.
        seed: of the stalls and of the registers' values before reset.
    """

    def __init__(
        self,
        library: Path,
        *,
        data: Path,
        trace: Path | None = None,
        stalls: Stalls = NO_STALLS,
        seed: int = 0,
    ) -> None:
        self._session = Session(
            library, data=data, trace=trace, seed=seed, reset_cycles=_RESET_CYCLES
        )
        self._stalls = stalls

    def close(self) -> None:
        """Free the model."""
        self._session.close()

    def reset(self) -> None:
        """Hold the reset for 16 cycles."""
        self._session.reset()

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
        for named, ends in ((inputs, self._session.inputs), (expected, self._session.outputs)):
            names = [end.name for end in ends]
            if not set(named) <= set(names):
                raise SimulationError(f"wanted streams of {names}, got {list(named)}")
        drive = Drive(stalls=self._stalls, watchdog_cycles=watchdog_cycles, more=False)
        outcome = self._run(inputs, expected, drive)
        last = max((int(side.cycles[-1]) for side in outcome.sides if side.done), default=-1)
        return last + 1, {
            side.name: [int.from_bytes(beat.tobytes(), "little") for beat in side.beats]
            for side in outcome.outputs
        }

    def expect_silence(self) -> None:
        """Look for beats beyond those that the last `run` received.

        FINN's FMPadding has some: it begins the next image's padding before that comes.

        Raises:
            SimulationError: there is one.
        """
        self._run({}, {}, Drive(stalls=self._stalls))

    def _run(
        self, inputs: Mapping[str, Sequence[int]], expected: Mapping[str, int], drive: Drive
    ) -> Outcome:
        # FINN's Thresholding has an input that only loops use.
        outcome = self._session.run(
            [_beats(inputs.get(end.name, ()), end) for end in self._session.inputs],
            [expected.get(end.name, 0) for end in self._session.outputs],
            drive,
        )
        if outcome.status is not Status.FINISHED:
            stuck = outcome.status is Status.STUCK
            remedy = "give joins behind a fork deeper FIFOs" if stuck else None
            raise SimulationError(_complaint(outcome), remedy=remedy)
        return outcome


def _complaint(outcome: Outcome) -> str:
    done = "; ".join(
        f"{side.name}: {side.done} of {len(side.beats)} beats" for side in outcome.sides
    )
    culprit = outcome.outputs[outcome.culprit].name
    match outcome.status:
        case Status.VALID_DROPPED:
            return f"{culprit}: valid fell before a beat was taken ({done})"
        case Status.DATA_CHANGED:
            return f"{culprit}: data changed before a beat was taken ({done})"
        case Status.EXTRA_BEAT:
            return f"{culprit}: a beat too many ({done})"
        case Status.STUCK:
            return f"stuck for {outcome.idle_cycles} cycles ({done})"
        case _:
            return f"{verilator.stop_reason(outcome.messages)} ({done})"


def _beats(values: Sequence[int], end: End) -> NDArray[np.uint8]:
    data = b"".join(value.to_bytes(end.beat_bytes, "little") for value in values)
    return np.frombuffer(data, np.uint8).reshape(len(values), end.beat_bytes)
