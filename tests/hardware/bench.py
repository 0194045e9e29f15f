"""Drives one kernel, or one emitted network, with the stream harness."""

import dataclasses
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.hardware.kernels import SV_FOLDER, Kernel, UnrolledKernel
from bnnedge.simulation import PATTERNS
from bnnedge.simulation.core import Core, CoreRun
from bnnedge.verilated.drive import Drive
from bnnedge.verilated.ports import StreamPorts
from bnnedge.verilated.stalls import FREE, NO_STALLS, Hold, Stalls
from bnnedge.verilated.stream import StreamModel
from bnnedge.verilog import Direction, Port, Stream, instance, module_text
from tests.proofs.prover import checked
from tests.streams import OneWay


def everywhere(share: float) -> Stalls:
    """Every stream held up with this probability, each cycle for itself."""
    hold = Hold(share=share)
    return Stalls(name=f"stalls {share}", input=hold, output=hold, inner=hold)


STALLS = (
    NO_STALLS,
    everywhere(0.3),
    everywhere(0.7),
    *(pattern for pattern in PATTERNS if pattern.name == "bursts"),
)


def elements_of(beats: NDArray[np.uint8], count: int, bits: int) -> NDArray[np.int64]:
    """Bytes (beats, B) → unsigned elements (beats, count) of `bits` bits."""
    flat = np.unpackbits(beats, axis=1, count=count * bits, bitorder="little")
    weights = np.int64(1) << np.arange(bits, dtype=np.int64)
    return flat.reshape(len(beats), count, bits).astype(np.int64) @ weights


def signed(values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Two's complement of `bits` bits."""
    return values - ((values >> (bits - 1)) << bits)


def beats_of(values: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """Elements (beats, count) of `bits` bits each → bytes (beats, B)."""
    flat = (values[:, :, None] >> np.arange(bits)) & 1
    return np.packbits(flat.reshape(len(values), -1).astype(np.uint8), axis=1, bitorder="little")


def bits_of(values: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """Integers (groups, …) → bits (groups, B), the lowest of each first."""
    flat = (values[..., None] >> np.arange(bits)) & 1
    return flat.reshape(len(values), -1).astype(np.uint8)


UNCHECKED = {"xnor_mvu", "integer_mvu", "mvu_fold"}
"""Kernels whose properties hold all weights in a vector: too slow in a simulation."""


class KernelBench(ABC):
    """Runs one kernel between streams; what the kernel is made of is the subclass's.

    Attributes:
        stalls: ways to hold up the streams, of which a case tries each.
        cache: of what was compiled.
    """

    stalls: ClassVar[tuple[Stalls | None, ...]]

    def __init__(self, cache: Path) -> None:
        self.cache = cache

    @abstractmethod
    def run(
        self, kernel: Kernel, inputs: Sequence[NDArray[np.uint8]], beats: int, stalls: Stalls | None
    ) -> tuple[list[NDArray[np.uint8]], OneWay | None]:
        """Words (beats, bytes) of every input → those of every output; and the clock cycles."""

    def run_kernel(
        self, kernel: Kernel, inputs: NDArray[np.uint8], beats: int, *, stalls: Stalls | None
    ) -> "KernelRun":
        """A kernel with one input and one output.

        Args:
            kernel: what is compiled.
            inputs: uint8 (beats, bytes).
            beats: words of the output.
            stalls: of both streams.
        """
        (outputs,), run = self.run(kernel, [inputs], beats, stalls)
        return KernelRun(outputs, run)

    def run_branches(
        self,
        kernel: Kernel,
        inputs: Sequence[NDArray[np.uint8]],
        beats: int,
        *,
        stalls: Stalls | None,
    ) -> tuple[list[NDArray[np.uint8]], "KernelRun"]:
        """A kernel with several streams, each of which is held up by itself.

        Args:
            kernel: as many words leave each of its outputs.
            inputs: for every input, bits (groups, words · width) of the words between two points
                at which the inputs meet.
            beats: words of an output.
            stalls: of the kernel's streams.

        Returns:
            For every output, bits (beats, width); and the run.
        """
        words = [
            np.packbits(part.reshape(-1, width), axis=1, bitorder="little")
            for part, width in zip(inputs, kernel.widths_in, strict=True)
        ]
        outputs, run = self.run(kernel, words, beats, stalls)
        bits = [
            np.unpackbits(output, axis=1, count=width, bitorder="little")
            for output, width in zip(outputs, kernel.widths_out, strict=True)
        ]
        return bits, KernelRun(outputs[0], run)


class KernelRun:
    """What passed on a kernel's first output, uint8 (beats, bytes), and when, in clock cycles."""

    def __init__(self, outputs: NDArray[np.uint8], run: OneWay | None) -> None:
        none = np.zeros(0, np.int64)
        self.outputs = outputs
        self.in_cycles = run.in_cycles if run else none
        self.out_cycles = run.out_cycles if run else none


class RtlBench(KernelBench):
    """The SystemVerilog module in Verilator; what is proven of it is checked in every run."""

    stalls = STALLS

    def run(
        self, kernel: Kernel, inputs: Sequence[NDArray[np.uint8]], beats: int, stalls: Stalls | None
    ) -> tuple[list[NDArray[np.uint8]], OneWay | None]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file, text in kernel.memory_texts.items():
                (folder / file).write_text(text)
            modules = (kernel.module, *kernel.submodules)
            sources = [SV_FOLDER / f"{name}.sv" for name in modules]
            stalls, parameters = stalls or NO_STALLS, kernel.parameters
            if isinstance(kernel, UnrolledKernel):
                sources[0] = folder / "generated" / f"{kernel.module}.sv"
                sources[0].parent.mkdir()
                sources[0].write_text(kernel.text(kernel.module), encoding="utf-8")
                # What is behind it is always ready.
                stalls, parameters = dataclasses.replace(stalls, output=FREE, inner=FREE), {}
            for source in sources:
                text = source.read_text(encoding="utf-8")
                text = text if source.stem in UNCHECKED else checked(source)
                (folder / source.name).write_text(text, encoding="utf-8")
            model = StreamModel(
                sources=[folder / source.name for source in sources],
                top=kernel.module,
                ports=StreamPorts.kernel(
                    inputs=dict(zip(kernel.ports_in, kernel.widths_in, strict=True)),
                    outputs=dict(zip(kernel.ports_out, kernel.widths_out, strict=True)),
                ),
                parameters=parameters,
                data=folder,
                cache=self.cache,
            )
            drive = Drive(stalls=stalls)
            result = model.run(inputs, [beats] * len(kernel.ports_out), drive, seed=1)
        return [side.beats for side in result.received], OneWay.of(result)


def clock_and_reset() -> list[Port]:
    return [Port(direction=Direction.INPUT, name=name) for name in ("clk_i", "rst_ni")]


def top_text(kernel: Kernel) -> str:
    """A module around a kernel with its parameters, and its ports."""
    ports = clock_and_reset()
    for direction, names, widths in (
        (Direction.INPUT, kernel.ports_in, kernel.widths_in),
        (Direction.OUTPUT, kernel.ports_out, kernel.widths_out),
    ):
        for name, width in zip(names, widths, strict=True):
            ports += Stream.port(name, direction).ports(direction, width)
    through = {port.name: port.name for port in ports}
    body = instance(kernel.module, "kernel", through, parameters=kernel.parameters)
    return module_text("top", ports, body, comment="A kernel with its parameters.")


def run_network(folder: Path, encoded: NDArray[Any], *, cache: Path, stalls: Stalls) -> CoreRun:
    """The RTL in `folder` on encoded inputs (N, …)."""
    return Core.load(folder, cache=cache).run(encoded, stalls=stalls, seed=len(encoded))


def steady_intervals(out_cycles: NDArray[np.int64], beats_per_image: int) -> NDArray[np.int64]:
    """Cycles between images over the second half of a run, from those of the output's beats."""
    ends = out_cycles[beats_per_image - 1 :: beats_per_image]
    return np.diff(ends)[len(ends) // 2 :]
