"""A layer of tables as a `Graph`."""

import numpy as np

from bnnedge.dataflow import LutLayer
from bnnedge.hardware.unrolled.graph import Graph


def lookup_tables(node: LutLayer, channels: int) -> Graph:
    """The graph that does a node for one pixel of so many channels; tables alike are built once."""
    graph = Graph(channels)
    tables = np.packbits(node.tables, axis=1, bitorder="little")
    graph.give(
        [
            graph.registered(
                graph.lut(
                    int.from_bytes(table.tobytes(), "little"),
                    [graph.inputs[channel] for channel in wires],
                    exact=True,
                )
            )
            for wires, table in zip(node.wiring.tolist(), tables, strict=True)
        ]
    )
    return graph
