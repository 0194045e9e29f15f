"""Tables of a few bits each: `LutLayer`."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.encoding import Bits
from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.dataflow.streams import BIPOLAR, Stream
from bnnedge.errors import DataflowError

MOST_INPUTS = 8
"""Of a table: a tree of wide lookup tables of every family that bnnedge knows still holds it."""
_WORD = 64  # images that are looked up together
_MOST_WORDS = 1 << 22  # of tables under way, at a time: bounds memory


@dataclass(frozen=True, kw_only=True, eq=False)
class LutLayer(BaseNode):
    """Tables of k input bits: y[m] = tables[m, Σ_j x[wiring[m, j]] · 2^j] for every pixel.

    Attributes:
        name: unique in the graph.
        wiring: int32 (M, k): the input channels of every table, 1 to `MOST_INPUTS`; one may be
            there several times.
        tables: uint8 (M, 2^k), bits.
    """

    since: ClassVar[int] = 6

    wiring: NDArray[np.int32]
    tables: Bits

    def __post_init__(self) -> None:
        object.__setattr__(self, "wiring", frozen(self.wiring, np.int32))
        object.__setattr__(self, "tables", frozen(self.tables, np.uint8))

    @property
    def mh(self) -> int:
        """Tables: output channels."""
        return len(self.wiring)

    @property
    def fan_in(self) -> int:
        """Inputs of a table."""
        return int(self.wiring.shape[1])

    def output_stream(self, stream: Stream) -> Stream:
        """Type of the output for an input of type `stream`; raises DataflowError if it misfits."""
        if self.wiring.ndim != 2 or not len(self.wiring) or not 1 <= self.fan_in <= MOST_INPUTS:
            raise DataflowError(
                f"{self.name}: wanted a wiring (tables, 1 to {MOST_INPUTS} inputs), got"
                f" {self.wiring.shape}"
            )
        wanted = (len(self.wiring), 1 << self.fan_in)
        if self.tables.shape != wanted:
            raise DataflowError(f"{self.name}: wanted tables {wanted}, got {self.tables.shape}")
        if self.tables.max() > 1:
            raise DataflowError(f"{self.name}: tables hold more than 0 and 1")
        if stream.element != BIPOLAR:
            raise DataflowError(f"{self.name}: wanted BIPOLAR inputs, got {stream}")
        if self.wiring.min() < 0 or self.wiring.max() >= stream.channels:
            raise DataflowError(
                f"{self.name}: wanted wires to the {stream.channels} channels of {stream}, got"
                f" {self.wiring.min()} to {self.wiring.max()}"
            )
        return Stream(shape=(*stream.shape[:-1], len(self.wiring)), element=BIPOLAR)

    def run(self, bits: Bits) -> Bits:
        """Bits (N, …, C) → bits (N, …, M), uint8."""
        flat = bits.reshape(-1, bits.shape[-1])
        padded = np.pad(flat, ((0, -len(flat) % _WORD), (0, 0)))
        slices = np.ascontiguousarray(np.packbits(padded, axis=0, bitorder="little").T)
        words = slices.view(np.uint64)
        out = np.empty((len(self.wiring), words.shape[1]), np.uint64)
        step = max(1, _MOST_WORDS // max(1, self.tables.shape[1] * words.shape[1]))
        for start in range(0, len(out), step):
            out[start : start + step] = self._looked_up(words, slice(start, start + step))
        values = np.unpackbits(out.view(np.uint8), axis=1, count=len(flat), bitorder="little")
        return np.ascontiguousarray(values.T).reshape(*bits.shape[:-1], len(out))

    def switches(self, bits: Bits) -> NDArray[np.bool_]:
        """Which outputs another value of a single wire would change, as `run` takes and gives."""
        own = self.run(bits)
        found = np.zeros(own.shape, np.bool_)
        entries = np.arange(self.tables.shape[1])
        for bit in (1 << place for place in range(self.fan_in)):
            flipped = dataclasses.replace(self, tables=self.tables[:, entries ^ bit])
            found |= flipped.run(bits) != own
        return found

    def _looked_up(self, words: NDArray[np.uint64], part: slice) -> NDArray[np.uint64]:
        """Words of images (C, W) → those of some tables (·, W): a tree of multiplexers."""
        level: NDArray[np.uint64] = -self.tables[part].astype(np.uint64)[:, :, None]
        for channels in self.wiring[part].T:
            low, high = level[:, ::2], level[:, 1::2]
            level = low ^ ((low ^ high) & words[channels][:, None])
        return level[:, 0]
