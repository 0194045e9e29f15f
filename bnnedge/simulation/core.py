"""`bnnedge_core` as a function: encoded inputs in, integer results out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.design import TOP_MODULE, Design
from bnnedge.errors import SimulationError
from bnnedge.simulation.deadlock import Wait, describe, find_deadlock
from bnnedge.verilated.drive import Drive, Pace
from bnnedge.verilated.ports import StreamPorts
from bnnedge.verilated.stalls import NO_STALLS, Stalls
from bnnedge.verilated.stream import StreamModel, StreamResult, StuckError


@dataclass(frozen=True, kw_only=True, eq=False)
class CoreRun:
    """Results of the simulated hardware.

    Attributes:
        values: int64 (N, output elements): accumulators, or one class.
        latency_cycles: from the first image's first input beat to its last output beat, inclusive.
        interval_cycles: mean cycles between the ends of successive results; None for one image.
        stream: what the harness saw.
    """

    values: NDArray[np.int64]
    latency_cycles: int
    interval_cycles: float | None
    stream: StreamResult


@dataclass(frozen=True, kw_only=True)
class Core:
    """An RTL folder's `bnnedge_core`, to be simulated.

    Attributes:
        folder: the RTL folder.
        design: its `design.json`.
        cache: where compiled models are kept; None: the user's cache folder.
    """

    folder: Path
    design: Design
    cache: Path | None = None

    @classmethod
    def load(cls, folder: Path, *, cache: Path | None = None) -> "Core":
        """The core of an RTL folder that can be trusted, see `bnnedge.hardware.own_copy`.

        Raises:
            DesignError: `folder` is not a whole RTL folder.
        """
        return cls(folder=folder, design=Design.load(folder), cache=cache)

    @property
    def fifo_ends(self) -> tuple[tuple[str, str], ...]:
        """The streams into and out of every FIFO of the design."""
        return tuple((str(fifo.inputs[0]), str(fifo.outputs[0])) for fifo in self.design.fifos)

    @property
    def model(self) -> StreamModel:
        """What the harness compiles and drives."""
        return StreamModel(
            sources=[self.folder / name for name in self.design.sources],
            top=TOP_MODULE,
            ports=StreamPorts.axi(
                in_bits=self.design.input_width_bits, out_bits=self.design.output_width_bits
            ),
            data=self.folder,
            streams=self.design.streams,
            rigid=self.design.rigid_streams,
            cache=self.cache,
        )

    def run(
        self,
        encoded: NDArray[Any],
        *,
        stalls: Stalls = NO_STALLS,
        seed: int = 0,
        interval_cycles: int | None = None,
        fifos: Sequence[tuple[str, str]] = (),
        trace: Path | None = None,
        tap: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> CoreRun:
        """Simulate images.

        Args:
            encoded: encoded inputs (N, …) with F elements each, N >= 1: bits, or integers.
            stalls: how the streams are held up.
            seed: of the stalls and of the registers' values before reset.
            interval_cycles: clock cycles in which at most one image is sent; None: as fast as they
                are taken.
            fifos: streams into and out of each FIFO whose high-water mark is wanted.
            trace: FST file to write.
            tap: record what passes on the internal streams.
            progress: called now and then with the images done and N.

        Raises:
            SimulationError: the hardware broke its protocol, left something over, or is not the
                one of `design.json`.
            StuckError: it got stuck; kernels that wait for each other in a circle are named.
            ToolMissingError, ToolFailedError: it could not be compiled.
        """
        design = self.design
        images, beats = len(encoded), design.output_beats
        self._check_inputs(encoded)
        try:
            stream = self.model.run(
                [design.pack(encoded).reshape(images * design.input_beats, -1)],
                [images * beats],
                self._drive(stalls, interval_cycles),
                seed=seed,
                fifos=fifos,
                trace=trace,
                tap=tap,
                progress=(lambda done: progress(done[0] // beats, images)) if progress else None,
            )
        except StuckError as stuck:
            circle = find_deadlock(design, stuck.streams)
            if circle:
                raise self._deadlock(circle, stuck) from stuck
            raise
        self._check_frames(stream, images)
        (sent,), (received,) = stream.sent, stream.received
        ends = received.cycles[beats - 1 :: beats]
        return CoreRun(
            values=design.unpack(received.beats.reshape(images, -1)),
            latency_cycles=int(ends[0] - sent.cycles[0]) + 1,
            interval_cycles=float(ends[-1] - ends[0]) / (images - 1) if images > 1 else None,
            stream=stream,
        )

    def _drive(self, stalls: Stalls, interval_cycles: int | None) -> Drive:
        pace = None
        if interval_cycles is not None:
            pace = Pace(image_beats=self.design.input_beats, interval_cycles=interval_cycles)
        return Drive(
            stalls=stalls,
            image_cycles=self.design.interval_cycles,
            watchdog_cycles=self._watchdog_cycles,
            pace=pace,
        )

    def _check_inputs(self, encoded: NDArray[Any]) -> None:
        elements = self.design.input_elements
        if len(encoded) < 1 or encoded.size != len(encoded) * elements:
            raise SimulationError(
                f"{self.design.name}: wanted inputs (N, {elements}), N >= 1, got {encoded.shape}"
            )

    def _deadlock(self, circle: Sequence[Wait], stuck: StuckError) -> StuckError:
        remedy = "size them: `bnnedge fifos`, then `bnnedge rtl --fifo-depths`"
        return StuckError(
            f"{self.design.name}: deadlock: {describe(circle)}",
            stuck.streams,
            remedy=remedy if any(wait.on_full_fifo for wait in circle) else None,
        )

    @property
    def _watchdog_cycles(self) -> int:
        """Several times the longest silence of a working design."""
        busy = sum(layer.cycles_per_image for layer in self.design.layers)
        return 4 * (busy + self.design.interval_cycles) + 2000

    def _check_frames(self, stream: StreamResult, images: int) -> None:
        name = self.design.name
        if stream.identity != self.design.id_word:
            raise SimulationError(
                f"{name}: wanted id word {self.design.id_word:#010x}, got {stream.identity:#010x}",
                remedy="run bnnedge rtl again",
            )
        last = stream.received[0].last.reshape(images, -1)
        wanted = np.arange(last.shape[1]) == last.shape[1] - 1
        wrong = np.argwhere(last != wanted)
        if len(wrong):
            image, beat = wrong[0]
            raise SimulationError(
                f"{name}: image {image}, output beat {beat} of {last.shape[1]}:"
                f" wanted tlast {int(wanted[beat])}, got {int(last[image, beat])}"
            )
