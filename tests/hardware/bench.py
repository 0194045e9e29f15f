"""Drives one kernel, or one emitted network, with the stream harness."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.hardware.kernels import SV_FOLDER, Kernel
from bnnedge.simulation.core import Core, CoreRun
from bnnedge.verilated.stream import StreamModel, StreamPorts, StreamResult


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


def run_kernel(
    kernel: Kernel,
    inputs: NDArray[np.uint8],
    beats: int,
    *,
    folder: Path,
    cache: Path,
    stalls: float,
    seed: int = 0,
) -> StreamResult:
    """Memory files go into `folder`; inputs are (beats, bytes)."""
    for name, text in kernel.memories.items():
        (folder / name).write_text(text)
    model = StreamModel(
        sources=[SV_FOLDER / f"{module}.sv" for module in (kernel.module, *kernel.submodules)],
        top=kernel.module,
        ports=StreamPorts(in_bits=kernel.in_bits, out_bits=kernel.out_bits),
        parameters=kernel.parameters,
        data=folder,
        cache=cache,
    )
    return model.run(inputs, beats, stall_in=stalls, stall_out=stalls, seed=seed)


def run_network(folder: Path, encoded: NDArray[Any], *, cache: Path, stalls: float) -> CoreRun:
    """The RTL in `folder` on encoded inputs (N, …)."""
    return Core.load(folder, cache=cache).run(encoded, stall=stalls, seed=len(encoded))


def steady_intervals(result: StreamResult, beats_per_image: int) -> NDArray[np.int64]:
    """Cycles between images over the second half of a run."""
    ends = result.out_cycles[beats_per_image - 1 :: beats_per_image]
    return np.diff(ends)[len(ends) // 2 :]
