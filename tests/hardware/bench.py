"""Drives one kernel, or one emitted network, with the stream harness."""

from collections.abc import Sequence
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


def bits_of(values: NDArray[np.int64], bits: int) -> NDArray[np.uint8]:
    """Integers (groups, …) → bits (groups, B), the lowest of each first."""
    flat = (values[..., None] >> np.arange(bits)) & 1
    return flat.reshape(len(values), -1).astype(np.uint8)


def run_branches(
    kernel: Kernel,
    inputs: Sequence[NDArray[np.uint8]],
    beats: int,
    *,
    folder: Path,
    cache: Path,
    stalls: float,
    seed: int = 1,
) -> tuple[list[NDArray[np.uint8]], StreamResult]:
    """A kernel with several streams, each of which stalls by itself.

    Args:
        kernel: as many words leave each of its outputs.
        inputs: for every input, bits (groups, words · width) of the words between two points at
            which the inputs meet.
        beats: words of an output.
        folder: for memory files.
        cache: of compiled models.
        stalls: probability of a stall in a cycle.
        seed: of the stalls.

    Returns:
        For every output, bits (beats, width); and the run in beats of all outputs together.
    """
    group_bits = [part.shape[1] for part in inputs]
    gates = len(kernel.ports_in) + len(kernel.ports_out)
    seeds = np.random.default_rng(seed).integers(1, 1 << 32, gates)
    words = [f"{(int(s) << 8) + int(256 * stalls):x}\n" for s in seeds]
    (folder / "stalls.mem").write_text("".join(words))
    (folder / "branches.sv").write_text(_branches_text(kernel, group_bits))
    for name, text in kernel.memories.items():
        (folder / name).write_text(text)
    used = {kernel.module, *kernel.submodules, "stream_fifo", "stream_width_converter"}
    model = StreamModel(
        sources=[
            *(SV_FOLDER / f"{module}.sv" for module in sorted(used)),
            Path(__file__).parent / "sv" / "stall_gate.sv",
            folder / "branches.sv",
        ],
        top="branches",
        ports=StreamPorts(in_bits=sum(group_bits), out_bits=sum(kernel.widths_out)),
        data=folder,
        cache=cache,
    )
    result = model.run(
        np.packbits(np.concatenate(inputs, axis=1), axis=1, bitorder="little"), beats
    )
    flat = np.unpackbits(result.outputs, axis=1, count=sum(kernel.widths_out), bitorder="little")
    return np.split(flat, np.cumsum(kernel.widths_out)[:-1], axis=1), result


def _branches_text(kernel: Kernel, group_bits: Sequence[int]) -> str:
    """A module in which one stream's parts are the kernel's inputs, and its outputs another's."""
    ins = list(zip(kernel.ports_in, kernel.widths_in, strict=True))
    outs = list(zip(kernel.ports_out, kernel.widths_out, strict=True))
    gates = len(ins) + len(outs)
    ports = []
    lines = [
        "module branches (",
        "  input logic clk_i, rst_ni, in_valid_i, out_ready_i,",
        f"  input logic [{sum(group_bits) - 1}:0] in_data_i,",
        "  output logic in_ready_o, out_valid_o,",
        f"  output logic [{sum(kernel.widths_out) - 1}:0] out_data_o",
        ");",
        f"  logic [{len(ins) - 1}:0] room;",
        f"  logic [{len(outs) - 1}:0] there;",
        "  assign in_ready_o = &room;",
        "  assign out_valid_o = &there;",
    ]

    def link(name: str, width: int) -> str:
        lines.append(f"  logic {name}_valid, {name}_ready; logic [{width - 1}:0] {name}_data;")
        return name

    def instance(module: str, before: str, after: str, **parameters: int) -> None:
        values = ", ".join(f".{key}({value})" for key, value in parameters.items())
        lines.append(
            f"  {module} #({values}) i_{after} (.clk_i, .rst_ni,"
            f" .in_valid_i({before}_valid), .in_ready_o({before}_ready),"
            f" .in_data_i({before}_data), .out_valid_o({after}_valid),"
            f" .out_ready_i({after}_ready), .out_data_o({after}_data));"
        )

    low = 0
    for index, ((port, width), bits) in enumerate(zip(ins, group_bits, strict=True)):
        part, queue = link(f"{port}_part", bits), link(f"{port}_queue", bits)
        word, gated = link(f"{port}_word", width), link(port, width)
        lines.append(f"  assign {part}_valid = in_valid_i & in_ready_o;")
        lines.append(f"  assign {part}_data = in_data_i[{low}+:{bits}];")
        lines.append(f"  assign room[{index}] = {part}_ready;")
        instance("stream_fifo", part, queue, Width=bits, Depth=4)
        instance("stream_width_converter", queue, word, InBits=bits, OutBits=width, FrameBits=bits)
        instance("stall_gate", word, gated, Width=width, Gates=gates, Index=index)
        ports += [f".{port}_{x}({port}_{x[:-2]})" for x in ("valid_i", "ready_o", "data_i")]
        low += bits
    low = 0
    for index, (port, width) in enumerate(outs):
        whole, gated = link(port, width), link(f"{port}_gated", width)
        queue = link(f"{port}_queue", width)
        instance("stall_gate", whole, gated, Width=width, Gates=gates, Index=len(ins) + index)
        instance("stream_fifo", gated, queue, Width=width, Depth=4)
        lines.append(f"  assign {queue}_ready = out_ready_i & out_valid_o;")
        lines.append(f"  assign there[{index}] = {queue}_valid;")
        lines.append(f"  assign out_data_o[{low}+:{width}] = {queue}_data;")
        ports += [f".{port}_{x}({port}_{x[:-2]})" for x in ("valid_o", "ready_i", "data_o")]
        low += width
    values = ", ".join(
        f'.{key}("{value}")' if isinstance(value, str) else f".{key}({value})"
        for key, value in kernel.parameters.items()
    )
    lines.append(f"  {kernel.module} #({values}) i_kernel (.clk_i, .rst_ni, {', '.join(ports)});")
    return "\n".join([*lines, "endmodule", ""])


def run_network(folder: Path, encoded: NDArray[Any], *, cache: Path, stalls: float) -> CoreRun:
    """The RTL in `folder` on encoded inputs (N, …)."""
    return Core.load(folder, cache=cache).run(encoded, stall=stalls, seed=len(encoded))


def steady_intervals(result: StreamResult, beats_per_image: int) -> NDArray[np.int64]:
    """Cycles between images over the second half of a run."""
    ends = result.out_cycles[beats_per_image - 1 :: beats_per_image]
    return np.diff(ends)[len(ends) // 2 :]
