"""`stream_width_converter`: wider or narrower words."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.cost import Cost, Prices, ceil_div, index_bits
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels.base import Frame, Kernel, Parameter


@dataclass(frozen=True, kw_only=True)
class StreamWidthConverterKernel(Kernel):
    """`stream_width_converter`: `frames` frames of `frame_bits` an image, any widths."""

    module: ClassVar[str] = "stream_width_converter"
    submodules: ClassVar[tuple[str, ...]] = ("loop_counter", "stream_contract")

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
        width = math.gcd(self.in_bits, self.out_bits)
        taken, given = self.in_bits // width, self.out_bits // width
        in_beats, out_beats = self._in_beats, ceil_div(self.frame_bits, self.out_bits)
        # Where an input beat is put: behind so many units of an output beat.
        places = {beat * taken % given for beat in range(min(in_beats, given))}
        last = (in_beats - 1) * taken % given
        end = last + out_beats * given - (in_beats - 1) * taken
        capacity = max(end, max(places) + taken)
        combs = 4.0 + index_bits(in_beats) + 2 * index_bits(capacity)
        if len(places) > 1:
            combs += 0.7 * len(places)
        below = list(itertools.accumulate(place in places for place in range(-taken, capacity)))
        for unit in range(capacity):
            # Input beats, what moves down, and zeros behind a frame: an enable and a selection.
            sources = below[unit + taken] - below[unit]
            sources += (unit + given < capacity) + (last + taken <= unit < end)
            combs += 0.2 * sources + 1.2 * width * ceil_div(2 * max(sources - 1, 0), 3)
        return Cost(combs=combs)

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
