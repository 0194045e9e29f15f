"""Without a compiler: XNOR matrices in numpy, on packed words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import INPUT, Dataflow, XnorMvu

_WORDS = 1 << 22  # of all pairs of a row and a pixel, at a time: bounds memory
_IMAGES = 256


def pack_words(bits: NDArray[Any], unit_bits: int = 64) -> NDArray[Any]:
    """Bits (…, C) → words (…, ceil(C / unit_bits)), bit 0 is channel 0, zero padded."""
    padding = [(0, 0)] * (bits.ndim - 1) + [(0, -bits.shape[-1] % unit_bits)]
    packed = np.packbits(np.pad(bits, padding), axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.dtype(f"<u{unit_bits // 8}"))


class PackedXnor:
    """An `XnorMvu` whose weights are packed."""

    def __init__(self, node: XnorMvu) -> None:
        self._node = node
        shape = (node.groups, -1, node.mw)
        self._weights = pack_words(node.weights.reshape(shape))
        self._counted = None
        if node.magnitudes is not None:
            self._counted = pack_words(node.magnitudes.reshape(shape))

    def run(self, bits: NDArray[np.uint8]) -> NDArray[Any]:
        """As `XnorMvu.run`."""
        node = self._node
        x = pack_words(bits.reshape(-1, node.groups, node.mw))
        counts = np.empty((len(x), node.groups, node.mh // node.groups), np.int64)
        step = max(1, _WORDS // max(1, self._weights[0].size))
        for group in range(node.groups):
            for start in range(0, len(x), step):
                part = x[start : start + step, group, None] ^ self._weights[group]
                if self._counted is not None:
                    part &= self._counted[group]
                counts[start : start + step, group] = np.bitwise_count(part).sum(
                    axis=2, dtype=np.int64
                )
        return node.finish(node.sums - counts.reshape(*bits.shape[:-1], node.mh))


class PackedInterpreter:
    """The accumulators of a Dataflow, node by node."""

    def __init__(self, dataflow: Dataflow) -> None:
        self._dataflow = dataflow
        nodes = dataflow.nodes[: len(dataflow.nodes) - len(dataflow.class_nodes)]
        self._nodes = [
            (node.name, PackedXnor(node) if isinstance(node, XnorMvu) else node) for node in nodes
        ]

    def accumulators(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """As `Dataflow.accumulators`."""
        sources = self._dataflow.sources
        out = np.empty((len(x), len(self._dataflow.output.values)), np.int64)
        for start in range(0, max(1, len(x)), _IMAGES):
            values: dict[str, NDArray[Any]] = {
                INPUT: self._dataflow.input.encode(x[start : start + _IMAGES])
            }
            for name, node in self._nodes:
                values[name] = node.run(*(values[source] for source in sources[name]))
            out[start : start + _IMAGES] = values[self._nodes[-1][0]]
        return out
