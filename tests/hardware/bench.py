"""Drives one kernel, or one emitted network, with the stream harness."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.hardware.kernels import SV_FOLDER, Kernel
from bnnedge.simulation import PATTERNS
from bnnedge.simulation.core import Core, CoreRun
from bnnedge.verilated.stalls import NO_STALLS, Hold, Stalls
from bnnedge.verilated.stream import StreamModel, StreamPorts, StreamResult


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


def run_kernel(
    kernel: Kernel,
    inputs: NDArray[np.uint8],
    beats: int,
    *,
    folder: Path,
    cache: Path,
    stalls: Stalls,
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
    return model.run(inputs, beats, stalls=stalls, seed=seed)


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
    stalls: Stalls,
    seed: int = 1,
) -> tuple[list[NDArray[np.uint8]], StreamResult]:
    """A kernel with several streams, each of which is held up by itself.

    Args:
        kernel: as many words leave each of its outputs.
        inputs: for every input, bits (groups, words · width) of the words between two points at
            which the inputs meet.
        beats: words of an output.
        folder: for memory files.
        cache: of compiled models.
        stalls: of the kernel's streams as the inner ones.
        seed: of the stalls.

    Returns:
        For every output, bits (beats, width); and the run in beats of all outputs together.
    """
    group_bits = [part.shape[1] for part in inputs]
    (folder / "branches.sv").write_text(_branches_text(kernel, group_bits))
    for name, text in kernel.memories.items():
        (folder / name).write_text(text)
    used = {kernel.module, *kernel.submodules, "stream_fifo", "stream_width_converter"}
    model = StreamModel(
        sources=[
            *(SV_FOLDER / f"{module}.sv" for module in sorted(used)),
            folder / "branches.sv",
        ],
        top="branches",
        ports=StreamPorts(in_bits=sum(group_bits), out_bits=sum(kernel.widths_out)),
        data=folder,
        streams=(*kernel.ports_in, *kernel.ports_out),
        cache=cache,
    )
    sent = np.packbits(np.concatenate(inputs, axis=1), axis=1, bitorder="little")
    result = model.run(sent, beats, stalls=stalls, seed=seed)
    flat = np.unpackbits(result.outputs, axis=1, count=sum(kernel.widths_out), bitorder="little")
    return np.split(flat, np.cumsum(kernel.widths_out)[:-1], axis=1), result


def _branches_text(kernel: Kernel, group_bits: Sequence[int]) -> str:
    """A module in which one stream's parts are the kernel's inputs, and its outputs another's."""
    ins = list(zip(kernel.ports_in, kernel.widths_in, strict=True))
    outs = list(zip(kernel.ports_out, kernel.widths_out, strict=True))
    last = len(ins) + len(outs) - 1
    ports: list[str] = []
    streams: dict[str, tuple[str, str]] = {}
    lines = [
        "module branches (",
        "  input logic clk_i, rst_ni, in_valid_i, out_ready_i,",
        f"  input logic [{sum(group_bits) - 1}:0] in_data_i,",
        "  output logic in_ready_o, out_valid_o,",
        f"  output logic [{sum(kernel.widths_out) - 1}:0] out_data_o",
        ");",
        f"  logic [{len(ins) - 1}:0] room;",
        f"  logic [{len(outs) - 1}:0] there;",
        f"  logic [{last}:0] stream_valid /* verilator public_flat_rd */;",
        f"  logic [{last}:0] stream_ready /* verilator public_flat_rd */;",
        "  assign in_ready_o = &room;",
        "  assign out_valid_o = &there;",
    ]

    def link(name: str, width: int) -> str:
        lines.append(f"  logic {name}_valid, {name}_ready; logic [{width - 1}:0] {name}_data;")
        return name

    def stream(name: str, width: int) -> str:
        """A stream that the harness sees and holds up."""
        index = [port for port, _ in (*ins, *outs)].index(name)
        lines.append(f"  logic [{width - 1}:0] {name}_data;")
        ports.extend(
            f".{name}_{signal}({wire})"
            for signal, wire in (
                ("valid_i" if index < len(ins) else "valid_o", f"stream_valid[{index}]"),
                ("ready_o" if index < len(ins) else "ready_i", f"stream_ready[{index}]"),
                ("data_i" if index < len(ins) else "data_o", f"{name}_data"),
            )
        )
        streams[name] = f"stream_valid[{index}]", f"stream_ready[{index}]"
        return name

    def instance(module: str, before: str, after: str, **parameters: int) -> None:
        values = ", ".join(f".{key}({value})" for key, value in parameters.items())
        in_valid, in_ready = streams.get(before, (f"{before}_valid", f"{before}_ready"))
        out_valid, out_ready = streams.get(after, (f"{after}_valid", f"{after}_ready"))
        lines.append(
            f"  {module} #({values}) i_{after} (.clk_i, .rst_ni,"
            f" .in_valid_i({in_valid}), .in_ready_o({in_ready}), .in_data_i({before}_data),"
            f" .out_valid_o({out_valid}), .out_ready_i({out_ready}), .out_data_o({after}_data));"
        )

    low = 0
    for index, ((port, width), bits) in enumerate(zip(ins, group_bits, strict=True)):
        part, queue = link(f"{port}_part", bits), link(f"{port}_queue", bits)
        word = stream(port, width)
        lines.append(f"  assign {part}_valid = in_valid_i & in_ready_o;")
        lines.append(f"  assign {part}_data = in_data_i[{low}+:{bits}];")
        lines.append(f"  assign room[{index}] = {part}_ready;")
        instance("stream_fifo", part, queue, Width=bits, Depth=4)
        instance("stream_width_converter", queue, word, InBits=bits, OutBits=width, FrameBits=bits)
        low += bits
    low = 0
    for index, (port, width) in enumerate(outs):
        whole, queue = stream(port, width), link(f"{port}_queue", width)
        instance("stream_fifo", whole, queue, Width=width, Depth=4)
        lines.append(f"  assign {queue}_ready = out_ready_i & out_valid_o;")
        lines.append(f"  assign there[{index}] = {queue}_valid;")
        lines.append(f"  assign out_data_o[{low}+:{width}] = {queue}_data;")
        low += width
    values = ", ".join(
        f'.{key}("{value}")' if isinstance(value, str) else f".{key}({value})"
        for key, value in kernel.parameters.items()
    )
    lines.append(f"  {kernel.module} #({values}) i_kernel (.clk_i, .rst_ni, {', '.join(ports)});")
    return "\n".join([*lines, "endmodule", ""])


def run_network(folder: Path, encoded: NDArray[Any], *, cache: Path, stalls: Stalls) -> CoreRun:
    """The RTL in `folder` on encoded inputs (N, …)."""
    return Core.load(folder, cache=cache).run(encoded, stalls=stalls, seed=len(encoded))


def steady_intervals(result: StreamResult, beats_per_image: int) -> NDArray[np.int64]:
    """Cycles between images over the second half of a run."""
    ends = result.out_cycles[beats_per_image - 1 :: beats_per_image]
    return np.diff(ends)[len(ends) // 2 :]
