"""The waist of the hourglass: a small, frozen, typed integer graph that only needs numpy."""

from bnnedge.dataflow.branches import Add, Concat, Crop, MultiThreshold, PadChannels
from bnnedge.dataflow.encoding import IntegerEncoding, ThresholdEncoding
from bnnedge.dataflow.graph import INPUT, Dataflow
from bnnedge.dataflow.mvu import IntegerMvu, XnorMvu
from bnnedge.dataflow.nodes import ArgMax, Flatten, Node, OutputTable, ScoreTable, Threshold
from bnnedge.dataflow.streams import BIPOLAR, ElementType, Stream
from bnnedge.dataflow.windows import MaxPool, SlidingWindow, SumPool, Window

__all__ = [
    "BIPOLAR",
    "INPUT",
    "Add",
    "ArgMax",
    "Concat",
    "Crop",
    "Dataflow",
    "ElementType",
    "Flatten",
    "IntegerEncoding",
    "IntegerMvu",
    "MaxPool",
    "MultiThreshold",
    "Node",
    "OutputTable",
    "PadChannels",
    "ScoreTable",
    "SlidingWindow",
    "Stream",
    "SumPool",
    "Threshold",
    "ThresholdEncoding",
    "Window",
    "XnorMvu",
]
