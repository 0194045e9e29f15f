"""`stream_last`: the end of an image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bnnedge.hardware.kernels.base import Parameter


@dataclass(frozen=True, kw_only=True)
class StreamLastKernel:
    """`stream_last`: marks the last of every `beats` beats of the stream that it listens to."""

    module: ClassVar[str] = "stream_last"

    beats: int

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Values of the module's parameters."""
        return {"Beats": self.beats}
