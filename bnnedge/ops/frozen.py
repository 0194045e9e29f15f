"""A network whose numbers are all constants: what an export holds."""

import copy
from typing import TypeVar

from torch import nn

from bnnedge.ops.normalisation import Affine, AffineBatchNorm
from bnnedge.ops.weights import BinaryWeights

_Module = TypeVar("_Module", bound=nn.Module)


def frozen(model: _Module) -> _Module:
    """A copy of `model` in evaluation mode that computes the same numbers from constants.

    Every `AffineBatchNorm` inside becomes an `Affine`, and every binary layer's weight scale is
    computed once: an exporter that folds constants would otherwise round it in its own order.
    """
    model = copy.deepcopy(model).eval()
    for parent in list(model.modules()):
        if isinstance(parent, BinaryWeights):
            parent.freeze_()
        for name, child in list(parent.named_children()):
            if isinstance(child, AffineBatchNorm):
                setattr(parent, name, Affine(*child.scale_and_shift()))
    return model
