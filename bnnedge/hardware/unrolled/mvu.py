"""A matrix-vector unit on ±1 as a `Graph`: every row, every column, every cycle."""

import numpy as np

from bnnedge.cost import ceil_div
from bnnedge.dataflow import XnorMvu
from bnnedge.hardware.unrolled.graph import FALSE, TRUE, Graph, Literal
from bnnedge.hardware.unrolled.sums import popcounts


def unrolled_mvu(node: XnorMvu, result_bits: int) -> Graph:
    """The graph that does a node without border classes for one pixel.

    Args:
        node: weights (MH, MW), thresholds.
        result_bits: of a dot product, where there are no thresholds.
    """
    return min((_built(node, result_bits, more) for more in (0, 5)), key=lambda g: g.combs)


def _built(node: XnorMvu, result_bits: int, more: int) -> Graph:
    graph = Graph(node.groups * node.mw)
    rows = node.mh // node.groups
    weights, thresholds = node.weights, node.thresholds
    if thresholds is not None and node.invert is not None:
        # p < T if there are MW + 1 - T disagreements or more.
        weights = weights ^ node.invert[:, None]
        thresholds = np.where(node.invert, node.mw + 1 - thresholds, thresholds)
    outputs: list[Literal] = []
    for group in range(node.groups):
        inputs = graph.inputs[group * node.mw : (group + 1) * node.mw]
        own = weights[group * rows : (group + 1) * rows]
        for row, count in enumerate(popcounts(graph, inputs, own, more=more), group * rows):
            if thresholds is not None:
                outputs.append(count.reaches(graph, int(thresholds[row])))
            else:
                # 2p - MW is 2(p - ⌈MW / 2⌉) + MW mod 2.
                odd = TRUE if node.mw & 1 else FALSE
                outputs += [odd, *count.plus(graph, -ceil_div(node.mw, 2), result_bits - 1)]
    graph.give(outputs)
    return graph
