"""A matrix-vector unit on ±1 as a `Graph`: every row, every column, every cycle."""

import numpy as np

from bnnedge.cost import ceil_div
from bnnedge.dataflow import XnorMvu
from bnnedge.hardware.unrolled.graph import FALSE, TRUE, Graph, Literal
from bnnedge.hardware.unrolled.sums import popcounts


def unrolled_mvu(node: XnorMvu, result_bits: int) -> Graph:
    """The graph that does a node without border classes for one pixel.

    Args:
        node: weights (MH, MW), of which those of magnitude 0 take no logic; thresholds.
        result_bits: of a dot product, where there are no thresholds.
    """
    return min((_built(node, result_bits, more) for more in (0, 5)), key=lambda g: g.combs)


def _built(node: XnorMvu, result_bits: int, more: int) -> Graph:
    graph = Graph(node.groups * node.mw)
    rows = node.mh // node.groups
    weights, thresholds, mask = node.weights, node.thresholds, node.magnitudes
    if thresholds is not None and node.invert is not None:
        # p < T if there are n + 1 - T disagreements or more among n columns.
        weights = weights ^ node.invert[:, None]
        thresholds = np.where(node.invert, node.sums + 1 - thresholds, thresholds)
    outputs: list[Literal] = []
    for group in range(node.groups):
        inputs = graph.inputs[group * node.mw : (group + 1) * node.mw]
        own = slice(group * rows, (group + 1) * rows)
        counts = popcounts(
            graph, inputs, weights[own], None if mask is None else mask[own], more=more
        )
        for row, count in enumerate(counts, group * rows):
            if thresholds is not None:
                outputs.append(count.reaches(graph, int(thresholds[row])))
            else:
                # 2p - n is 2(p - ⌈n / 2⌉) + n mod 2.
                summed = int(node.sums[row])
                odd = TRUE if summed & 1 else FALSE
                outputs += [odd, *count.plus(graph, -ceil_div(summed, 2), result_bits - 1)]
    graph.give(outputs)
    return graph
