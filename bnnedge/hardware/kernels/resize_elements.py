"""`resize_elements`: wires that widen or narrow elements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.hardware.kernels.base import Frame, Module, Parameter


@dataclass(frozen=True, kw_only=True)
class ResizeElementsKernel(Module):
    """`resize_elements`: wires that widen or narrow every element; it has no handshake."""

    module: ClassVar[str] = "resize_elements"

    elements: int
    in_bits: int
    out_bits: int
    signed: bool

    @property
    def frame(self) -> Frame:
        return Frame.of(1, 1)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "Elements": self.elements,
            "InBits": self.in_bits,
            "OutBits": self.out_bits,
            "Signed": int(self.signed),
        }
