"""`unrolled_mvu`: a matrix-vector unit on ±1 whose weights are logic."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnnedge.dataflow import Stream, XnorMvu
from bnnedge.dataflow.encoding import Bits
from bnnedge.dataflow.streams import signed_type
from bnnedge.hardware.kernels.base import Parameter
from bnnedge.hardware.kernels.memory import Memory, table_bits
from bnnedge.hardware.kernels.node_kernel import Fold
from bnnedge.hardware.kernels.unrolled import UnrolledKernel
from bnnedge.hardware.unrolled.graph import Graph
from bnnedge.hardware.unrolled.mvu import unrolled_mvu

_PROBES = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class UnrolledMvuKernel(UnrolledKernel[XnorMvu]):
    """A Dataflow's `XnorMvu` without border classes: all rows and columns at a time."""

    module: ClassVar[str] = "unrolled_mvu"

    node: XnorMvu
    pixels: int = 1
    memory_prefix: str = ""

    @classmethod
    def of(
        cls, node: XnorMvu, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> "UnrolledMvuKernel":
        return cls(node=node, pixels=befores[0].pixels, memory_prefix=memory_prefix)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "MatrixWidth": self.node.mw,
            "MatrixHeight": self.node.mh,
            "Groups": self.node.groups,
            "Thresholded": int(self.node.thresholds is not None),
            "Masked": int(self.node.magnitudes is not None),
        }

    @property
    def memories(self) -> tuple[Memory, Memory | None]:
        parts = [self.node.weights, self.node.magnitudes]
        bits = np.concatenate([part for part in parts if part is not None], axis=1)
        weights = Memory(name=f"{self.memory_prefix}weights", bits=bits[None])
        if self.node.thresholds is None:
            return weights, None
        bits = table_bits(
            self.node.thresholds.astype(np.int64)[None, None],
            self.node.invert,
            pe=self.node.mh,
            total_bits=(self.node.mw + 1).bit_length(),
        )
        return weights, Memory(name=f"{self.memory_prefix}thresholds", bits=bits)

    @property
    def probes(self) -> Bits:
        """Random ones, and for rows in turn what agrees with so many columns, from none to all."""
        rng = np.random.default_rng(0)
        rows = self.node.weights[np.arange(_PROBES) % self.node.mh]
        agreeing = rng.random(rows.shape) < rng.random((_PROBES, 1))
        near = np.tile(rows ^ 1 ^ agreeing, (1, self.node.groups)).astype(np.uint8)
        return np.concatenate([near, rng.integers(0, 2, near.shape, dtype=np.uint8)])

    @functools.cached_property
    def graph(self) -> Graph:
        return unrolled_mvu(self.node, signed_type(self.node.mw).width_bits)
