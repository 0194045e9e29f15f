"""`stream_width_converter`: wider or narrower words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, ceil_div
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Kernel, Parameter


@dataclass(frozen=True, kw_only=True)
class StreamWidthConverterKernel(Kernel):
    """`stream_width_converter`: `frames` frames of `frame_bits` an image, any widths."""

    module: ClassVar[str] = "stream_width_converter"

    input_width_bits: int
    output_width_bits: int
    frame_bits: int
    frames: int = 1

    def __post_init__(self) -> None:
        if min(self.input_width_bits, self.output_width_bits, self.frame_bits) < 1:
            raise FoldingError(f"{self.module}: wanted positive widths, got {self}")

    @property
    def in_bits(self) -> int:
        return self.input_width_bits

    @property
    def out_bits(self) -> int:
        return self.output_width_bits

    @property
    def frame(self) -> Frame:
        return Frame.of(self._in_beats, ceil_div(self.frame_bits, self.out_bits))

    @property
    def cycles_per_image(self) -> int:
        in_beats = self._in_beats
        out_beats = ceil_div(self.frame_bits, self.out_bits)
        if self.in_bits > self.out_bits:
            return self.frames * out_beats
        # The last input beat may complete two output beats; the second one holds up the input.
        before_last = (in_beats - 1) * self.in_bits // self.out_bits
        return self.frames * (in_beats + out_beats - before_last - 1)

    def cost(self, prices: Prices) -> Cost:
        unit = math.gcd(self.in_bits, self.out_bits)
        taken, given = self.in_bits // unit, self.out_bits // unit
        # What remains of an output beat when an input beat comes: the places it is written to.
        places = len({beat * taken % given for beat in range(min(self._in_beats, given))})
        return Cost(combs=8 + 1.2 * unit * taken * places)

    @property
    def _in_beats(self) -> int:
        return ceil_div(self.frame_bits, self.in_bits)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {
            "InBits": self.in_bits,
            "OutBits": self.out_bits,
            "FrameBits": self.frame_bits,
        }
