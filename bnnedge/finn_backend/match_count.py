"""`match_count`: what FINN calls the popcount, out of a dot product."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.hardware.kernels import Parameter, ResizeElementsKernel


@dataclass(frozen=True, kw_only=True)
class MatchCountKernel(ResizeElementsKernel):
    """`match_count`: dot products of `synapses` ±1 pairs to the numbers of pairs that agree."""

    module: ClassVar[str] = "match_count"

    signed: bool = False
    synapses: int

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Elements": self.elements,
            "Synapses": self.synapses,
            "InBits": self.in_bits,
            "OutBits": self.out_bits,
        }
