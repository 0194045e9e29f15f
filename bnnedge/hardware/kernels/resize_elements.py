"""`resize_elements`: wires that widen or narrow elements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.hardware.kernels.base import Parameter


@dataclass(frozen=True, kw_only=True)
class ResizeElementsKernel:
    """`resize_elements`: wires that widen or narrow every element; it has no handshake."""

    module: ClassVar[str] = "resize_elements"

    elements: int
    in_bits: int
    out_bits: int
    signed: bool

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Values of the module's parameters."""
        return {
            "Elements": self.elements,
            "InBits": self.in_bits,
            "OutBits": self.out_bits,
            "Signed": int(self.signed),
        }
