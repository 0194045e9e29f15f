"""A matrix-vector unit on ±1 as a `Graph`: every row, every column, every cycle."""

from bnnedge.cost import ceil_div
from bnnedge.dataflow import XnorMvu
from bnnedge.hardware.unrolled.graph import FALSE, TRUE, Graph, Literal
from bnnedge.hardware.unrolled.sums import Popcount, popcounts


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
    outputs: list[Literal] = []
    for group in range(node.groups):
        inputs = graph.inputs[group * node.mw : (group + 1) * node.mw]
        weights = node.weights[group * rows : (group + 1) * rows]
        for row, count in enumerate(popcounts(graph, inputs, weights, more=more), group * rows):
            if node.thresholds is None or node.invert is None:
                outputs += _dot(graph, count, node.mw, result_bits, row)
            else:
                inverted = bool(node.invert[row])
                outputs.append(count.reaches(graph, int(node.thresholds[row]), inverted=inverted))
    graph.give(outputs)
    return graph


def _dot(graph: Graph, count: Popcount, mw: int, bits: int, row: int) -> list[Literal]:
    """2 · count − MW in two's complement: 2 · (count − ⌈MW / 2⌉) + MW mod 2."""
    offset = -ceil_div(mw, 2) % (1 << bits - 1)
    zeros = (offset & -offset).bit_length() - 1
    kept = count.bits[:zeros]
    constant = [TRUE if offset >> bit & 1 else FALSE for bit in range(zeros, bits - 1)]
    total = graph.add(count.bits[zeros:], constant, FALSE, place=row)[: len(constant)]
    return [TRUE if mw & 1 else FALSE, *kept, *(graph.registered(bit) for bit in total)]
