"""Where a wrong result begins: one image is replayed with the streams between kernels recorded."""

import numpy as np
from numpy.typing import NDArray

from bnnedge.design import Layer
from bnnedge.equality import Judge
from bnnedge.equality.comparison import Seen, first_wrong_node
from bnnedge.errors import BnnEdgeError
from bnnedge.simulation.core import Core
from bnnedge.verilated.stalls import NO_STALLS, Stalls


def locate(core: Core, judge: Judge, image: int, stalls: Stalls, seed: int) -> str:
    """The first node and element that differ when one image is simulated alone, in words.

    Args:
        core: the hardware.
        judge: what it should give.
        image: its number.
        stalls: at which it was wrong; used if it is right without any.
        seed: of the stalls.
    """
    encoded, wanted = judge.encoded[image : image + 1], judge.wanted[image : image + 1]
    try:
        run = core.run(encoded, tap=True)
        if stalls != NO_STALLS and np.array_equal(run.values, wanted):
            run = core.run(encoded, stalls=stalls, seed=seed, tap=True)
    except BnnEdgeError as error:
        return f"replayed alone it fails: {error.message}"
    nodes = judge.dataflow.nodes
    seen = {
        node.name: Seen(
            elements=_elements(run.stream.taps[layer.stream], layer),
            bits=layer.stream_element_bits,
        )
        for node, layer in zip(nodes, core.design.layers, strict=True)
        if layer.stream is not None
    }
    wrong = first_wrong_node(judge.dataflow, encoded[0], seen)
    if wrong:
        return f"replayed alone, {wrong}"
    if np.array_equal(run.values, wanted):
        return "replayed alone it is right: something of an earlier image is left over"
    return f"replayed alone, every node up to {nodes[-1].name} is right"


def _elements(beats: NDArray[np.uint8], layer: Layer) -> NDArray[np.int64]:
    """Bytes of the beats (beats, B) → elements (beats · lanes,)."""
    bits = layer.stream_element_bits
    flat = np.unpackbits(beats, axis=1, count=layer.stream_lanes * bits, bitorder="little")
    elements: NDArray[np.int64] = flat.reshape(-1, bits).astype(np.int64) @ (
        np.int64(1) << np.arange(bits, dtype=np.int64)
    )
    return elements
