"""Equal, else say where: what every check sends through a network, and how it compares."""

from bnnedge.equality.comparison import Judge, check_equal, first_difference
from bnnedge.equality.inputs import edge_inputs, inputs_at_levels, inputs_for
from bnnedge.equality.stimuli import stimuli

__all__ = [
    "Judge",
    "check_equal",
    "edge_inputs",
    "first_difference",
    "inputs_at_levels",
    "inputs_for",
    "stimuli",
]
