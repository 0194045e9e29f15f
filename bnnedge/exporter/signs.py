"""torch's sign of an exact 0, which is 0 and no bit, where the user says which bit it is."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor
from torch.overrides import TorchFunctionMode

from bnnedge.dataflow.sign_zero import SignZero

_NEW = (torch.sign, torch.sgn, Tensor.sign, Tensor.sgn)
_IN_PLACE = (Tensor.sign_, Tensor.sgn_)


class _Signs(TorchFunctionMode):
    """In this block torch's signs are ±1."""

    def __init__(self, sign_zero: SignZero) -> None:
        super().__init__()
        self._sign_zero = sign_zero

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func not in (*_NEW, *_IN_PLACE):
            return func(*args, **given)
        x = args[0] if args else given["input"]
        positive = x >= 0 if self._sign_zero is SignZero.PLUS else x > 0
        bits = torch.where(positive, torch.ones_like(x), -torch.ones_like(x))
        return x.copy_(bits) if func in _IN_PLACE else bits


@contextlib.contextmanager
def following(sign_zero: SignZero) -> Iterator[None]:
    """In this block torch's sign of an exact 0 is that bit; `REFUSE`: it is 0, as ever."""
    with contextlib.nullcontext() if sign_zero is SignZero.REFUSE else _Signs(sign_zero):
        yield


def write_signs(graph: onnx.ModelProto, sign_zero: SignZero) -> bool:
    """Let the Signs of a graph say what an exact 0 becomes; returns whether there are any."""
    found = [node for node in graph.graph.node if node.op_type == "Sign"]
    if sign_zero is SignZero.REFUSE or not found:
        return False
    names = {value: f"bnnedge.{name}" for value, name in ((0, "zero"), (1, "one"), (-1, "less"))}
    for value, name in names.items():
        constant = numpy_helper.from_array(np.array(value, np.float32), name)
        graph.graph.initializer.append(constant)
    nodes: list[onnx.NodeProto] = []
    for node in graph.graph.node:
        if node.op_type != "Sign":
            nodes.append(node)
            continue
        positive = f"{node.output[0]}.positive"
        compares = "GreaterOrEqual" if sign_zero is SignZero.PLUS else "Greater"
        inputs = [node.input[0], names[0]]
        nodes.append(helper.make_node(compares, inputs, [positive], f"{node.name}.positive"))
        bits = [positive, names[1], names[-1]]
        nodes.append(helper.make_node("Where", bits, list(node.output), node.name))
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return True
