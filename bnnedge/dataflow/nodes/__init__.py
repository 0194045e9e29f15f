"""The nodes of a Dataflow, each with its integer semantics in numpy."""

from bnnedge.dataflow.nodes.add import Add as Add
from bnnedge.dataflow.nodes.arg_max import ArgMax as ArgMax
from bnnedge.dataflow.nodes.concat import Concat as Concat
from bnnedge.dataflow.nodes.crop import Crop as Crop
from bnnedge.dataflow.nodes.flatten import Flatten as Flatten
from bnnedge.dataflow.nodes.integer_mvu import IntegerMvu as IntegerMvu
from bnnedge.dataflow.nodes.lut_layer import LutLayer as LutLayer
from bnnedge.dataflow.nodes.max_pool import MaxPool as MaxPool
from bnnedge.dataflow.nodes.multi_threshold import MultiThreshold as MultiThreshold
from bnnedge.dataflow.nodes.pad_channels import PadChannels as PadChannels
from bnnedge.dataflow.nodes.score_table import ScoreTable as ScoreTable
from bnnedge.dataflow.nodes.sliding_window import SlidingWindow as SlidingWindow
from bnnedge.dataflow.nodes.sum_pool import SumPool as SumPool
from bnnedge.dataflow.nodes.threshold import Threshold as Threshold
from bnnedge.dataflow.nodes.xnor_mvu import XnorMvu as XnorMvu

Node = (
    XnorMvu
    | IntegerMvu
    | LutLayer
    | SlidingWindow
    | MaxPool
    | SumPool
    | Threshold
    | MultiThreshold
    | Add
    | Concat
    | PadChannels
    | Crop
    | Flatten
    | ScoreTable
    | ArgMax
)
