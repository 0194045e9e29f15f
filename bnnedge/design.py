"""`Design`: what an RTL folder says about itself, read by simulation, synthesis and deployment."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bnnedge
from bnnedge.errors import DesignError, SimulationError

DESIGN_FILE = "design.json"
TOP_MODULE = "bnnedge_core"
LEAST_FIFO_WORDS = 2


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
        block_rams: DP16KD that are predicted for it.
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
        combs: predicted LUT4 and halves of carry cells of the core on an ECP5.
        block_rams: its predicted DP16KD.
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
    def folding(self) -> Mapping[str, Mapping[str, int]]:
        """PE and SIMD by layer name, as a folding file has them."""
        return {
            layer.name: {"PE": layer.pe, "SIMD": layer.simd}
            for layer in self.layers
            if layer.kernel in ("xnor_mvu", "integer_mvu")
        }

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
        record = {"bnnedge": bnnedge.__version__, **dataclasses.asdict(self)}
        (folder / DESIGN_FILE).write_text(json.dumps(record, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Design":
        """Read `design.json` and check that every file that it names is there.

        Raises:
            DesignError: it is missing, damaged or of another version.
        """
        try:
            record = json.loads((folder / DESIGN_FILE).read_text())
            version = record.pop("bnnedge")
            design = cls(
                **{
                    **record,
                    "sources": tuple(record["sources"]),
                    "memories": tuple(record["memories"]),
                    "streams": tuple(record["streams"]),
                    "layers": tuple(Layer(**layer) for layer in record["layers"]),
                    "kernels": tuple(
                        KernelInstance(
                            **{
                                **kernel,
                                "inputs": tuple(kernel["inputs"]),
                                "outputs": tuple(kernel["outputs"]),
                            }
                        )
                        for kernel in record["kernels"]
                    ),
                }
            )
        except FileNotFoundError:
            raise DesignError(
                f"{folder} is not an RTL folder: it has no {DESIGN_FILE}",
                remedy="give the folder that `bnnedge rtl` wrote",
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DesignError(
                f"{folder} is not an RTL folder: {DESIGN_FILE} is damaged ({error})",
                remedy="run bnnedge rtl again",
            ) from error
        if version != bnnedge.__version__:
            # Kernels and what synthesis puts in their place change together.
            raise DesignError(
                f"{folder} was written by bnnedge {version}, this is {bnnedge.__version__}",
                remedy="run bnnedge rtl again",
            )
        for name in (*design.sources, *design.memories):
            if not (folder / name).is_file():
                raise DesignError(f"{folder / name} is missing", remedy="run bnnedge rtl again")
        return design


def _low_bytes(elements: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """Integers (N, E) as their `size` low bytes, little-endian: uint8 (N, E · size).

    In two's complement these are the same for signed and unsigned elements.
    """
    whole = np.ascontiguousarray(elements, "<i8").view(np.uint8).reshape(*elements.shape, 8)
    return whole[:, :, :size].reshape(len(elements), -1)
