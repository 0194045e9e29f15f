"""The waist of the hourglass: a small, frozen, typed integer graph that only needs numpy."""

from bnnedge.dataflow.encoding import IntegerEncoding as IntegerEncoding
from bnnedge.dataflow.encoding import ThresholdEncoding as ThresholdEncoding
from bnnedge.dataflow.graph import INPUT as INPUT
from bnnedge.dataflow.graph import Dataflow as Dataflow
from bnnedge.dataflow.meaning import Meaning as Meaning
from bnnedge.dataflow.nodes import *  # noqa: F403, the table of nodes stands there only
from bnnedge.dataflow.output_table import OutputTable as OutputTable
from bnnedge.dataflow.streams import BIPOLAR as BIPOLAR
from bnnedge.dataflow.streams import ElementType as ElementType
from bnnedge.dataflow.streams import Stream as Stream
from bnnedge.dataflow.window import Window as Window
