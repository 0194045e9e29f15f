"""The waist of the hourglass: a small, frozen, typed integer graph that only needs numpy."""

from bnnedge.dataflow.encoding import ThresholdEncoding
from bnnedge.dataflow.graph import Dataflow
from bnnedge.dataflow.nodes import ArgMax, Node, OutputTable, XnorMvu

__all__ = ["ArgMax", "Dataflow", "Node", "OutputTable", "ThresholdEncoding", "XnorMvu"]
