"""`Design`: what an RTL folder says about itself, read by simulation, synthesis and deployment."""

import bisect
import dataclasses
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked
from bnnedge.config import structure
from bnnedge.errors import ConfigError, DesignError, SimulationError
from bnnedge.files import load_json
from bnnedge.names import (
    check_label,
    check_network_name,
    inner_file,
    is_identifier,
    is_inner_path,
    shown,
)

DESIGN_FILE = "design.json"
FORMAT_VERSION = 1
TOP_MODULE = "bnnedge_core"
CREDIT_GATE = "credit_gate"
LEAST_FIFO_WORDS = 2
_MOST = 1 << 40  # of any number
_MOST_WIDTH_BITS = 1 << 20  # of s_axis and m_axis
_WHOLE_BITS = (8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One node of the Dataflow as hardware.

    Attributes:
        name: the node's.
        kernel: module that does it; "wires" where the input is the output already.
        pe: rows of a matrix-vector unit at a time; else elements in a word of its output.
        simd: columns of a matrix-vector unit at a time; else as `pe`.
        cycles_per_image: clock cycles between images, alone.
        weight_bits: bits of weights and thresholds kept on chip.
        stream: name of the stream that the node's output is seen on; None: s_axis.
        stream_lanes: elements in a word there.
        stream_element_bits: bits of each.
    """

    name: str
    kernel: str
    pe: int
    simd: int
    cycles_per_image: int
    weight_bits: int
    stream: str | None
    stream_lanes: int
    stream_element_bits: int

    def verify(self, streams: Set[str]) -> None:
        """Raises ConfigError: a name or a number is impossible, or the stream none of these."""
        check_label(self.name, what="name of a layer", raises=ConfigError)
        of = f"layer {self.name}: "
        _check_identifier(self.kernel, f"{of}kernel")
        _check_numbers(self, of, 0, "cycles_per_image", "weight_bits")
        _check_numbers(self, of, 1, "pe", "simd", "stream_lanes", "stream_element_bits")
        if not (self.stream is None or self.stream in streams):
            raise ConfigError(f"{of}stream: {shown(self.stream)} is none")


@dataclass(frozen=True, kw_only=True)
class KernelInstance:
    """A kernel between streams.

    Attributes:
        name: of the instance.
        module: what it is an instance of.
        node: name of the Dataflow node that it does; None for what only moves data.
        inputs: names of the streams that it takes; None: s_axis.
        outputs: names of the streams that it gives; None: m_axis.
        width_bits: of its first output.
        depth_words: of a FIFO; None for other kernels.
        image_words: that pass through a FIFO for an image; None for other kernels.
        block_rams: that are predicted for it.
        parameters: of the module; names of memory files are relative to the RTL folder.
        resize: parameters of the `resize_elements` behind its output; None: there is none.
    """

    name: str
    module: str
    node: str | None
    inputs: tuple[str | None, ...]
    outputs: tuple[str | None, ...]
    width_bits: int
    depth_words: int | None
    image_words: int | None
    block_rams: int
    parameters: Mapping[str, int | str]
    resize: Mapping[str, int | str] | None

    def verify(self, nodes: Set[str], memories: Sequence[str]) -> None:
        """Check all but the streams.

        Args:
            nodes: names of the layers.
            memories: memory files, sorted; a text among the parameters is what some begin with.

        Raises:
            ConfigError: a name or a number is impossible, or the node or a file is none of these.
        """
        _check_identifier(self.name, "kernel")
        of = f"kernel {self.name}: "
        _check_identifier(self.module, f"{of}module")
        if not (self.node is None or self.node in nodes):
            raise ConfigError(f"{of}node: {shown(self.node)} is none")
        _check_numbers(self, of, 0, "block_rams")
        _check_numbers(self, of, 1, "width_bits", "depth_words", "image_words")
        if not (self.inputs and self.outputs):
            raise ConfigError(f"{of}wanted streams on both sides")
        for name, value in {**self.parameters, **(self.resize or {})}.items():
            _check_identifier(name, f"{of}parameter")
            if isinstance(value, int):
                possible = -_MOST <= value <= _MOST
            else:
                at = bisect.bisect_left(memories, value)  # what begins with it would stand there
                possible = not value or (at < len(memories) and memories[at].startswith(value))
            if not possible:
                raise ConfigError(f"{of}{name}: {shown(str(value))} is impossible")


@dataclass(frozen=True, kw_only=True)
class Design:
    """A network as SystemVerilog.

    Attributes:
        name: of the network.
        id_word: 32 bits that the hardware shows, from the hash of graph and folding.
        sources: SystemVerilog files, relative to the RTL folder, in compile order.
        memories: memory files, relative to the RTL folder.
        input_elements: inputs per image (F).
        input_element_bits: bits of each on s_axis: 1, or whole bytes for integers, little-endian.
        input_width_bits: width of s_axis_tdata.
        output_elements: results per image: K accumulators, or k classes.
        output_element_bits: 8, 16 or 32 bits for each on m_axis_tdata.
        output_signed: accumulators are two's complement, classes are unsigned.
        output_width_bits: width of m_axis_tdata.
        layers: in the order of the data.
        kernels: each behind those whose streams it takes.
        streams: names of the streams between kernels; bit i of `stream_valid` and `stream_ready`.
        interval_cycles: predicted clock cycles between images in the steady state.
        combs: predicted `cost.Cost.combs` of the core, at the prices of `families.REFERENCE`.
        block_rams: its predicted block RAMs there.
    """

    name: str
    id_word: int
    sources: tuple[str, ...]
    memories: tuple[str, ...]
    input_elements: int
    input_element_bits: int
    input_width_bits: int
    output_elements: int
    output_element_bits: int
    output_signed: bool
    output_width_bits: int
    layers: tuple[Layer, ...]
    kernels: tuple[KernelInstance, ...]
    streams: tuple[str, ...]
    interval_cycles: int
    combs: int
    block_rams: int

    @property
    def fifos(self) -> tuple[KernelInstance, ...]:
        """The FIFOs between kernels; one at s_axis or m_axis is none of them."""
        return tuple(
            kernel
            for kernel in self.kernels
            if kernel.depth_words is not None and None not in (*kernel.inputs, *kernel.outputs)
        )

    @property
    def producers(self) -> Mapping[str | None, KernelInstance]:
        """The kernel that gives each stream, by the stream's name; None: m_axis."""
        return {stream: kernel for kernel in self.kernels for stream in kernel.outputs}

    @property
    def consumers(self) -> Mapping[str | None, KernelInstance]:
        """The kernel that takes each stream, by the stream's name; None: s_axis."""
        return {stream: kernel for kernel in self.kernels for stream in kernel.inputs}

    @property
    def input_bits(self) -> int:
        """Input bits per image, without the padding of its last beat."""
        return self.input_elements * self.input_element_bits

    @property
    def input_beats(self) -> int:
        """Beats of s_axis per image."""
        return -(-self.input_bits // self.input_width_bits)

    @property
    def output_beats(self) -> int:
        """Beats of m_axis per image."""
        return -(-self.output_elements * self.output_element_bits // self.output_width_bits)

    @property
    def rigid_streams(self) -> Set[str]:
        """Streams whose consumer is always ready: those from a `credit_gate` to the next FIFO."""
        rigid: set[str] = set()
        for kernel in self.kernels:
            starts = kernel.module == CREDIT_GATE
            if starts or (kernel.depth_words is None and rigid.intersection(kernel.inputs)):
                rigid.update(name for name in kernel.outputs if name is not None)
        return rigid

    def pack(self, encoded: NDArray[Any]) -> NDArray[np.uint8]:
        """Encoded inputs as the bytes of their beats on s_axis.

        Args:
            encoded: (N, …) with F elements each: bits 0 and 1, or integers.

        Returns:
            uint8 (N, bytes), zero padded to whole words.
        """
        flat = encoded.reshape(len(encoded), -1)
        if self.input_element_bits == 1:
            packed = np.packbits(flat, axis=1, bitorder="little")
        else:
            packed = _low_bytes(flat, self.input_element_bits // 8)
        return np.pad(packed, ((0, 0), (0, -packed.shape[1] % (self.input_width_bits // 8))))

    def pack_results(self, results: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Results (N, output elements) as the bytes of their beats on m_axis (N, bytes)."""
        packed = _low_bytes(results, self.output_element_bits // 8)
        return np.pad(packed, ((0, 0), (0, -packed.shape[1] % (self.output_width_bits // 8))))

    def unpack(self, packed: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Bytes of the beats on m_axis (N, bytes) as results (N, output elements).

        Raises:
            SimulationError: what pads the last beat is not zero.
        """
        size = self.output_element_bits // 8
        used = size * self.output_elements
        if packed[:, used:].any():
            image = int(packed[:, used:].any(axis=1).argmax())
            raise SimulationError(f"{self.name}: image {image}: the output's padding is not zero")
        kind = np.dtype(f"<{'i' if self.output_signed else 'u'}{size}")
        return np.ascontiguousarray(packed[:, :used]).view(kind).astype(np.int64)

    def save(self, folder: Path) -> None:
        """Write `design.json` into `folder`."""
        record = {"version": FORMAT_VERSION, **dataclasses.asdict(self)}
        (folder / DESIGN_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    @classmethod
    @checked
    def load(cls, folder: Path) -> "Design":
        """Read and verify `design.json`, and check that every file that it names is there.

        Raises:
            DesignError: it is missing, damaged, inconsistent or of another version, or names a
                file that is missing or not inside `folder`.
        """
        path = folder / DESIGN_FILE
        if not path.is_file():
            raise DesignError(
                f"{folder} is not an RTL folder: it has no {DESIGN_FILE}",
                remedy="give the folder that `bnnedge rtl` wrote",
            )
        try:
            record = load_json(path)
            _check_version(folder, record)
            design = structure(record, cls, source=DESIGN_FILE)
            design.verify()
        except ConfigError as error:
            raise DesignError(
                f"{folder} is not an RTL folder: {error}", remedy="run bnnedge rtl again"
            ) from error
        for name in (*design.sources, *design.memories):
            inner_file(folder, name, raises=DesignError)
        return design

    def verify(self) -> None:
        """Check names, ranges, and that every stream has one kernel at either end.

        Raises:
            ConfigError: names the first thing that is wrong.
        """
        check_network_name(self.name, raises=ConfigError)
        for name in (*self.sources, *self.memories):
            if not is_inner_path(name):
                raise ConfigError(f"wanted files inside of the folder, got {shown(name)}")
        core = f"{TOP_MODULE}.sv"
        if core not in {name.rpartition("/")[2] for name in self.sources}:
            raise ConfigError(f"sources: wanted {core} among them")
        for what, names in (
            ("sources", self.sources),
            ("memories", self.memories),
            ("streams", self.streams),
            ("layers", [layer.name for layer in self.layers]),
            ("kernels", [kernel.name for kernel in self.kernels]),
        ):
            if len(set(names)) != len(names):
                raise ConfigError(f"{what}: wanted names that differ")
        if not 0 <= self.id_word < 1 << 32:
            raise ConfigError(f"id_word: wanted 32 bits, got {self.id_word}")
        _check_numbers(self, "", 0, "combs", "block_rams")
        _check_numbers(self, "", 1, "input_elements", "output_elements", "interval_cycles")
        _check_choice(self, "input_element_bits", (1, *_WHOLE_BITS))
        _check_choice(self, "output_element_bits", _WHOLE_BITS)
        _check_choice(self, "input_width_bits", range(8, _MOST_WIDTH_BITS + 1, 8))
        _check_choice(self, "output_width_bits", range(8, _MOST_WIDTH_BITS + 1, 8))
        for stream in self.streams:
            check_label(stream, what="name of a stream", raises=ConfigError)
        streams, nodes = set(self.streams), {layer.name for layer in self.layers}
        for layer in self.layers:
            layer.verify(streams)
        memories = sorted(self.memories)
        for kernel in self.kernels:
            kernel.verify(nodes, memories)
        self._verify_streams(streams)

    def _verify_streams(self, streams: Set[str]) -> None:
        """Every kernel takes what kernels before it give; nothing is taken or given twice."""
        waiting: set[str | None] = {None}
        given: set[str | None] = set()
        for kernel in self.kernels:
            for stream in kernel.inputs:
                if stream not in waiting:
                    raise ConfigError(f"kernel {kernel.name}: cannot take {shown(str(stream))}")
                waiting.remove(stream)
            for stream in kernel.outputs:
                if stream in given or not (stream is None or stream in streams):
                    raise ConfigError(f"kernel {kernel.name}: cannot give {shown(str(stream))}")
                given.add(stream)
                if stream is not None:
                    waiting.add(stream)
        if waiting or given != {None, *streams}:
            raise ConfigError("streams: wanted a kernel at both ends of each")


def _check_version(folder: Path, record: Any) -> None:
    """Take the version from a record. Raises DesignError if it is another one."""
    found = record.pop("version", None) if isinstance(record, dict) else None
    if type(found) is int and found == FORMAT_VERSION:
        return
    old = isinstance(record, dict) and found is None and "bnnedge" in record
    got = "that of bnnedge 0.1.0" if old else shown(str(found))
    raise DesignError(
        f"{folder}: {DESIGN_FILE}: wanted format version {FORMAT_VERSION}, got {got}",
        remedy="run bnnedge rtl again",
    )


def _check_numbers(part: Any, of: str, least: int, *fields: str) -> None:
    """Raises ConfigError unless all these fields of `part` are from `least` to 2^40, or None."""
    for field in fields:
        value = getattr(part, field)
        if value is not None and not least <= value <= _MOST:
            raise ConfigError(f"{of}{field}: wanted {least} to 2^40, got {value}")


def _check_choice(part: Any, field: str, choices: Sequence[int]) -> None:
    if getattr(part, field) not in choices:
        raise ConfigError(f"{field}: {getattr(part, field)} is impossible")


def _check_identifier(name: str, what: str) -> None:
    if not is_identifier(name):
        raise ConfigError(f"{what}: wanted letters, digits and _, got {shown(name)}")


def _low_bytes(elements: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Integers (N, E) as their `size` low bytes, little-endian: uint8 (N, E · size).

    In two's complement these are the same for signed and unsigned elements.
    """
    whole = np.ascontiguousarray(elements, "<i8").view(np.uint8).reshape(*elements.shape, 8)
    return whole[:, :, :size].reshape(len(elements), -1)
