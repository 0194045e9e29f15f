"""Runs of modules with one input and one output stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.verilated.drive import Drive
from bnnedge.verilated.stream import StreamModel, StreamResult


@dataclass(frozen=True, kw_only=True, eq=False)
class OneWay:
    """What passed on the first input and the first output.

    Attributes:
        outputs: uint8 (beats, bytes).
        last: bool (beats,), of the outputs.
        in_cycles: int64 (beats,), of the handshakes.
        out_cycles: int64 (beats,), of the handshakes.
        whole: everything.
    """

    outputs: NDArray[np.uint8]
    last: NDArray[np.bool_]
    in_cycles: NDArray[np.int64]
    out_cycles: NDArray[np.int64]
    whole: StreamResult

    @classmethod
    def of(cls, result: StreamResult) -> "OneWay":
        received = result.received[0]
        return cls(
            outputs=received.beats,
            last=received.last,
            in_cycles=result.sent[0].cycles,
            out_cycles=received.cycles,
            whole=result,
        )


def one_way(
    model: StreamModel,
    sent: NDArray[np.uint8],
    count: int,
    *,
    seed: int = 0,
    fifos: Sequence[tuple[str, str]] = (),
    trace: Path | None = None,
    **drive: Any,
) -> OneWay:
    """Run a module with one input and one output; `drive` are the fields of `Drive`."""
    result = model.run([sent], [count], Drive(**drive), seed=seed, fifos=fifos, trace=trace)
    return OneWay.of(result)
