"""Where a wrong result begins: one image is replayed with the streams between kernels recorded."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.design import Layer
from bnnedge.errors import BnnEdgeError
from bnnedge.simulation.core import Core
from bnnedge.verilated.stalls import NO_STALLS, Stalls


def locate(core: Core, dataflow: Dataflow, encoded: NDArray[Any], stalls: Stalls, seed: int) -> str:
    """The first node and element that differ when one image is simulated alone, in words.

    Args:
        core: the hardware.
        dataflow: what it should give.
        encoded: the image.
        stalls: at which it was wrong; used if it is right without any.
        seed: of the stalls.
    """
    try:
        run = core.run(encoded[None], tap=True)
        if stalls != NO_STALLS and np.array_equal(run.values, dataflow.results_of(encoded[None])):
            run = core.run(encoded[None], stalls=stalls, seed=seed, tap=True)
    except BnnEdgeError as error:
        return f"replayed alone it fails: {error.message}"
    trace = dataflow.trace_of(encoded[None])
    for node, layer in zip(dataflow.nodes, core.design.layers, strict=True):
        values = trace[node.name]
        if layer.stream is None:
            continue
        wanted = values.reshape(-1).astype(np.int64)
        seen = _elements(run.stream.taps[layer.stream], layer)
        if len(seen) != len(wanted):
            return (
                f"replayed alone, {node.name} gives {len(seen)} elements instead of {len(wanted)}"
            )
        # A signed element and an unsigned one of the same bits are equal here.
        wrong = np.flatnonzero((seen ^ wanted) & ((1 << layer.stream_element_bits) - 1))
        if len(wrong):
            first = int(wrong[0])
            *pixel, channel = (int(i) for i in np.unravel_index(first, values.shape[1:]))
            where = f" at pixel {tuple(pixel)}" if pixel else ""
            return (
                f"replayed alone, {node.name} is the first node to differ, in {len(wrong)} of"
                f" {len(wanted)} elements, first channel {channel}{where}:"
                f" wanted {wanted[first]}, got {seen[first]}"
            )
    if np.array_equal(run.values, values.reshape(1, -1)):
        return "replayed alone it is right: something of an earlier image is left over"
    return f"replayed alone, every node up to {dataflow.nodes[-1].name} is right"


def _elements(beats: NDArray[np.uint8], layer: Layer) -> NDArray[np.int64]:
    """Bytes of the beats (beats, B) → elements (beats · lanes,)."""
    bits = layer.stream_element_bits
    flat = np.unpackbits(beats, axis=1, count=layer.stream_lanes * bits, bitorder="little")
    elements: NDArray[np.int64] = flat.reshape(-1, bits).astype(np.int64) @ (
        np.int64(1) << np.arange(bits, dtype=np.int64)
    )
    return elements
