"""Where a wrong result begins: one image is replayed with the streams between kernels recorded."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.dataflow.encoding import Bits, unpack
from bnnedge.errors import BnnEdgeError
from bnnedge.simulation.core import Core


def locate(core: Core, dataflow: Dataflow, bits: Bits) -> str:
    """The first node and channel that differ when one image (F,) is simulated alone, in words."""
    try:
        run = core.run(bits[None], tap=True)
    except BnnEdgeError as error:
        return f"replayed alone it fails: {error.message}"
    values: NDArray[Any] = bits[None]
    for index, node in enumerate(dataflow.mvus[:-1]):
        values = node.run(values)
        stream = _stream_behind(core, index, node.name)
        if stream is None:
            return f"there is no stream of {node.name} to look at"
        pe = core.design.layers[index].pe
        seen = unpack(run.stream.taps[stream], pe).reshape(-1)
        if len(seen) != node.mh:
            return f"replayed alone, {node.name} gives {len(seen)} bits instead of {node.mh}"
        wrong = np.flatnonzero(seen != values[0])
        if len(wrong):
            channel = int(wrong[0])
            return (
                f"replayed alone, {node.name} is the first node to differ, in {len(wrong)} of"
                f" {node.mh} channels, first channel {channel}:"
                f" wanted {values[0, channel]}, got {seen[channel]}"
            )
    for last in dataflow.nodes[len(dataflow.mvus) - 1 :]:
        values = last.run(values)
    if np.array_equal(run.values, values):
        return "replayed alone it is right: something of an earlier image is left over"
    return f"replayed alone, every node before {dataflow.mvus[-1].name} is right"


def _stream_behind(core: Core, index: int, name: str) -> str | None:
    """The stream that node `index` writes: they are called "<producer> to <consumer>"."""
    producer = f"{index}_" + re.sub(r"\W", "_", name, flags=re.ASCII)
    return next((s for s in core.design.streams if s.split(" to ")[0] == producer), None)
