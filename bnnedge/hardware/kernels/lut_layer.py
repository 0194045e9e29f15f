"""`lut_layer`: tables of a few bits each."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnnedge.cost import index_bits
from bnnedge.dataflow import LutLayer, Stream
from bnnedge.dataflow.encoding import Bits
from bnnedge.hardware.kernels.base import Parameter
from bnnedge.hardware.kernels.memory import Memory, bits_of
from bnnedge.hardware.kernels.node_kernel import Fold
from bnnedge.hardware.kernels.unrolled import UnrolledKernel
from bnnedge.hardware.unrolled.graph import Graph
from bnnedge.hardware.unrolled.tables import lookup_tables


@dataclass(frozen=True, kw_only=True, eq=False)
class LutLayerKernel(UnrolledKernel[LutLayer]):
    """A Dataflow's `LutLayer`: all tables at a time."""

    module: ClassVar[str] = "lut_layer"
    nodes = (LutLayer,)

    node: LutLayer
    channels: int
    pixels: int = 1
    memory_prefix: str = ""

    @classmethod
    def folds(cls, node: LutLayer, befores: Sequence[Stream]) -> tuple[Fold, ...]:
        return (Fold(pe=node.mh, simd=befores[0].channels, unrolled=True),)

    @classmethod
    def of(
        cls, node: LutLayer, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "LutLayerKernel":
        (stream,) = befores
        return cls(
            node=node, channels=stream.channels, pixels=stream.pixels, memory_prefix=memory_prefix
        )

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Channels": self.channels,
            "Count": self.node.mh,
            "FanIn": self.node.fan_in,
            "IndexBits": self._index_bits,
        }

    @property
    def memories(self) -> tuple[Memory, Memory]:
        wires = bits_of(self.node.wiring, self._index_bits).reshape(1, self.node.mh, -1)
        return (
            Memory(name=f"{self.memory_prefix}wiring", bits=wires),
            Memory(name=f"{self.memory_prefix}tables", bits=self.node.tables[None]),
        )

    @property
    def probes(self) -> Bits:
        """Random ones: an entry of a table is looked up sixteen times on average."""
        rng = np.random.default_rng(0)
        return rng.integers(0, 2, (16 << self.node.fan_in, self.channels), dtype=np.uint8)

    @functools.cached_property
    def graph(self) -> Graph:
        return lookup_tables(self.node, self.channels)

    @property
    def _index_bits(self) -> int:
        return max(1, index_bits(self.channels))
