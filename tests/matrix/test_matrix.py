"""Every node has every square of the matrix: it is run there, or a reason says why not."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import get_args

import pytest

from bnnedge.dataflow import Node, nodes
from bnnedge.dataflow.nodes.base import BaseNode, ClassNode, MoveNode
from bnnedge.dataflow.nodes.mvu import Mvu
from bnnedge.hardware import kernels
from bnnedge.hardware.kernels import NodeKernel
from tests.hls.bench import needs_ap_types
from tests.matrix.cases import CASES
from tests.matrix.squares import Place, Square, check

KINDS = get_args(Node)
SQUARES = [
    pytest.param(square, id=square.value, marks=needs_ap_types if square is Square.HLS else ())
    for square in Square
]


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_square_is_filled(kind: type[Node], square: Square, place: Place) -> None:
    assert kind in CASES, f"{kind.__name__} has no case in tests/matrix/cases.py"
    check(square, CASES[kind], place)


def _classes(package: ModuleType, base: type) -> Iterator[type]:
    """Subclasses of `base` in the modules of a package."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, base) and value is not base:
                yield value


def test_every_node_is_in_the_table() -> None:
    assert {*_classes(nodes, BaseNode)} - {MoveNode, ClassNode, Mvu} == {*KINDS}


def test_every_node_is_done_by_one_kernel_or_is_a_wire() -> None:
    assert {*_classes(kernels, NodeKernel)} - {kernels.MvuKernel} <= {*kernels._RULES}
    for kind, case in CASES.items():
        rules = [rule for rule in kernels._RULES if kind in rule.nodes]
        assert len(rules) == 1 or case.node.is_wire(*case.befores), kind
