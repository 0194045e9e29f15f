"""A network whose numbers are all constants: what an export holds."""

import copy
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bnnedge.ops.lut_layer import FrozenTables, LutLayer
from bnnedge.ops.normalisation import Affine, scale_and_shift
from bnnedge.ops.sparse_linear import FrozenSparse, SparseLinear
from bnnedge.ops.weights import BinaryWeights

_Module = TypeVar("_Module", bound=nn.Module)


def frozen(model: _Module) -> _Module:
    """A copy of `model` in evaluation mode that computes the same numbers from constants.

    Every BatchNorm with running statistics becomes an `Affine`, every layer of tables or of sparse
    sums what its wires, entries and weights chose, and every binary layer's weight scale is
    computed once: an exporter that folds constants would otherwise round it in its own order. Of
    torch's own BatchNorm, which rounds as the processor does, the last digit may change.
    """
    model = copy.deepcopy(model).eval()
    affine: dict[nn.Module, Affine] = {}  # a module that stands in two places stays one
    for parent in list(model.modules()):
        if isinstance(parent, BinaryWeights):
            parent.freeze_()
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and child.running_mean is not None:
                if child not in affine:
                    affine[child] = Affine(*scale_and_shift(child))
                setattr(parent, name, affine[child])
            elif isinstance(child, LutLayer):
                setattr(parent, name, FrozenTables(child))
            elif isinstance(child, SparseLinear):
                setattr(parent, name, FrozenSparse(child).eval())
    return model
