"""What both matrix-vector units share."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow.arrays import frozen
from bnnedge.dataflow.encoding import Bits
from bnnedge.dataflow.nodes.base import BaseNode
from bnnedge.dataflow.streams import ElementType, Stream
from bnnedge.errors import DataflowError

MAGNITUDES_VERSION = 7  # of the record


@dataclass(frozen=True, kw_only=True, eq=False)
class Mvu(BaseNode):
    """What both units share: a matrix in `groups` blocks, applied to every pixel's channels.

    A weight is ±1 by its bit or, with `magnitudes`, that times its magnitude: 0 is no synapse. Row
    r sees the MW inputs of its group g = r // (MH / groups), which are the channels g · MW …
    (g + 1) · MW − 1.
    """

    weights: Bits
    thresholds: NDArray[np.int32] | None = None
    invert: NDArray[np.bool_] | None = None
    groups: int = 1
    magnitudes: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", frozen(self.weights, np.uint8))
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", frozen(self.thresholds, np.int32))
        if self.invert is not None:
            object.__setattr__(self, "invert", frozen(self.invert, np.bool_))
        if self.magnitudes is not None:
            object.__setattr__(self, "magnitudes", frozen(self.magnitudes, np.uint8))

    @property
    def oldest_version(self) -> int:
        return self.since if self.magnitudes is None else MAGNITUDES_VERSION

    @property
    def mh(self) -> int:
        """Matrix height: output channels."""
        return int(self.weights.shape[0])

    @property
    def mw(self) -> int:
        """Matrix width: synapses per output channel."""
        return int(self.weights.shape[1])

    @property
    def fan_in(self) -> int:
        """Inputs of a row: `mw`."""
        return self.mw

    @functools.cached_property
    def values(self) -> NDArray[np.int16]:
        """int16 (MH, MW): the weights."""
        signs = 2 * self.weights.astype(np.int16) - 1
        return signs if self.magnitudes is None else signs * self.magnitudes

    @functools.cached_property
    def sums(self) -> NDArray[np.int64]:
        """int64 (MH,): the sum of every row's magnitudes, MW if these are all 1."""
        sums: NDArray[np.int64] = np.abs(self.values).sum(axis=1, dtype=np.int64)
        return sums

    @property
    def magnitude_bits(self) -> int:
        """Bits of the largest magnitude; 0 where a weight is no more than its sign."""
        return 0 if self.magnitudes is None else int(self.magnitudes.max()).bit_length()

    def accumulator_limit(self, element: ElementType) -> int:
        """No accumulator of `element` inputs has a larger absolute value."""
        magnitude = max(1, (1 << self.magnitude_bits) - 1)
        return self.mw * magnitude * max(-element.least, element.most)

    def _verify(self, stream: Stream, most: int) -> None:
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise DataflowError(f"{self.name}: weights have shape {self.weights.shape}")
        if self.weights.max() > 1:
            raise DataflowError(f"{self.name}: weights hold more than 0 and 1")
        if self.magnitudes is not None:
            if self.magnitudes.shape != self.weights.shape:
                raise DataflowError(
                    f"{self.name}: wanted a magnitude for each weight {self.weights.shape}, got"
                    f" {self.magnitudes.shape}"
                )
            if not 1 <= self.magnitudes.max() <= most:
                raise DataflowError(
                    f"{self.name}: wanted magnitudes up to {most}, some not 0, got"
                    f" {self.magnitudes.max()}"
                )
        if self.groups < 1 or self.mh % self.groups:
            raise DataflowError(
                f"{self.name}: {self.mh} rows do not split into {self.groups} groups"
            )
        if stream.channels != self.groups * self.mw:
            raise DataflowError(
                f"{self.name}: wanted {self.groups * self.mw} inputs, got {stream.channels}"
                f" {stream.element}"
            )
        if (self.thresholds is None) != (self.invert is None):
            raise DataflowError(f"{self.name}: thresholds and invert go together")
        if self.invert is not None and self.invert.shape != (self.mh,):
            raise DataflowError(f"{self.name}: wanted {self.mh} invert flags")

    def accumulators(self, reach: int, step: int) -> tuple[int, int]:
        return int(self.sums.max()) * reach, step

    def _dot(self, values: NDArray[Any], limit: int) -> NDArray[np.int64]:
        """Signed values (N, …, groups · MW) → dot products (N, …, MH), none above `limit`."""
        # BLAS is far faster than integers, and exact while every partial sum is representable.
        dtype: type[np.floating[Any]] = np.float32 if limit < 1 << 24 else np.float64
        grouped = values.reshape(-1, self.groups, self.mw).astype(dtype)
        weights = self.values.astype(dtype).reshape(self.groups, -1, self.mw)
        parts = [grouped[:, group] @ weights[group].T for group in range(self.groups)]
        out = np.concatenate(parts, axis=1).astype(np.int64)
        return out.reshape(*values.shape[:-1], self.mh)
