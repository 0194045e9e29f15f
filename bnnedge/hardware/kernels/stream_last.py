"""`stream_last`: the end of an image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.hardware.kernels.base import Frame, Module, Parameter


@dataclass(frozen=True, kw_only=True)
class StreamLastKernel(Module):
    """`stream_last`: marks the last of every `beats` beats of the stream that it listens to."""

    module: ClassVar[str] = "stream_last"

    beats: int

    @property
    def frame(self) -> Frame:
        return Frame.of(self.beats, self.beats)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"Beats": self.beats}
