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
from bnnedge.verilog import Direction, Port, instance, module_text
from bnnedge.verilog import Stream as VerilogStream


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
    for name, text in kernel.memory_texts.items():
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
    for name, text in kernel.memory_texts.items():
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
            ports += VerilogStream.port(name, direction).ports(direction, width)
    through = {port.name: port.name for port in ports}
    body = instance(kernel.module, "kernel", through, parameters=kernel.parameters)
    return module_text("top", ports, body, comment="A kernel with its parameters.")


def _branches_text(kernel: Kernel, group_bits: Sequence[int]) -> str:
    """A module in which one stream's parts are the kernel's inputs, and its outputs another's."""
    ins = list(zip(kernel.ports_in, kernel.widths_in, strict=True))
    outs = list(zip(kernel.ports_out, kernel.widths_out, strict=True))
    last = len(ins) + len(outs) - 1
    connections = {"clk_i": "clk_i", "rst_ni": "rst_ni"}
    lines = [
        f"  logic [{len(ins) - 1}:0] room;",
        f"  logic [{len(outs) - 1}:0] there;",
        f"  logic [{last}:0] stream_valid /* verilator public_flat_rd */;",
        f"  logic [{last}:0] stream_ready /* verilator public_flat_rd */;",
        "  assign in_ready_o = &room;",
        "  assign out_valid_o = &there;",
    ]

    def link(name: str, width: int) -> VerilogStream:
        stream = VerilogStream(f"{name}_valid", f"{name}_ready", f"{name}_data")
        lines.append(f"  logic {stream.valid}, {stream.ready};")
        lines.append(f"  logic [{width - 1}:0] {stream.data};")
        return stream

    def watched(name: str, width: int) -> VerilogStream:
        """A stream that the harness sees and holds up."""
        index = [port for port, _ in (*ins, *outs)].index(name)
        lines.append(f"  logic [{width - 1}:0] {name}_data;")
        stream = VerilogStream(f"stream_valid[{index}]", f"stream_ready[{index}]", f"{name}_data")
        direction = Direction.INPUT if index < len(ins) else Direction.OUTPUT
        connections.update(VerilogStream.port(name, direction).to(stream))
        return stream

    def between(
        module: str, name: str, before: VerilogStream, after: VerilogStream, **parameters: int
    ) -> None:
        ports = {
            "clk_i": "clk_i",
            "rst_ni": "rst_ni",
            **VerilogStream.port("in", Direction.INPUT).to(before),
            **VerilogStream.port("out", Direction.OUTPUT).to(after),
        }
        lines.extend(instance(module, name, ports, parameters=parameters))

    low = 0
    for index, ((port, width), bits) in enumerate(zip(ins, group_bits, strict=True)):
        part, queue = link(f"{port}_part", bits), link(f"{port}_queue", bits)
        lines += [
            f"  assign {part.valid} = in_valid_i & in_ready_o;",
            f"  assign {part.data} = in_data_i[{low}+:{bits}];",
            f"  assign room[{index}] = {part.ready};",
        ]
        between("stream_fifo", f"{port}_fifo", part, queue, Width=bits, Depth=4)
        word = {"InBits": bits, "OutBits": width, "FrameBits": bits}
        between("stream_width_converter", port, queue, watched(port, width), **word)
        low += bits
    low = 0
    for index, (port, width) in enumerate(outs):
        whole, queue = watched(port, width), link(f"{port}_queue", width)
        between("stream_fifo", f"{port}_fifo", whole, queue, Width=width, Depth=4)
        lines += [
            f"  assign {queue.ready} = out_ready_i & out_valid_o;",
            f"  assign there[{index}] = {queue.valid};",
            f"  assign out_data_o[{low}+:{width}] = {queue.data};",
        ]
        low += width
    lines += instance(kernel.module, "kernel", connections, parameters=kernel.parameters)
    ports = clock_and_reset()
    for name, direction, bits in (
        ("in", Direction.INPUT, sum(group_bits)),
        ("out", Direction.OUTPUT, sum(kernel.widths_out)),
    ):
        ports += VerilogStream.port(name, direction).ports(direction, bits)
    return module_text("branches", ports, lines, comment="A kernel whose inputs come together.")


def run_network(folder: Path, encoded: NDArray[Any], *, cache: Path, stalls: Stalls) -> CoreRun:
    """The RTL in `folder` on encoded inputs (N, …)."""
    return Core.load(folder, cache=cache).run(encoded, stalls=stalls, seed=len(encoded))


def steady_intervals(result: StreamResult, beats_per_image: int) -> NDArray[np.int64]:
    """Cycles between images over the second half of a run."""
    ends = result.out_cycles[beats_per_image - 1 :: beats_per_image]
    return np.diff(ends)[len(ends) // 2 :]
