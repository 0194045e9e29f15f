"""Every node has every square of the matrix: it is run there, or a reason says why not."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

import bnnedge
from bnnedge.dataflow import ArgMax, Concat, Crop, Node, PadChannels, ScoreTable, nodes
from bnnedge.dataflow.nodes.base import BaseNode, ClassNode, MoveNode
from bnnedge.dataflow.nodes.mvu import Mvu
from bnnedge.hardware import kernels
from bnnedge.hardware.kernels import SV_FOLDER, NodeKernel, UnrolledKernel
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


@pytest.mark.parametrize("kind", [Concat, Crop, PadChannels, ScoreTable, ArgMax])
def test_a_node_is_named_in_three_lines_elsewhere(kind: type[Node]) -> None:
    """Its import, its place in `Node`, and the import of its kernel; lowering and FINN apart."""
    package = Path(bnnedge.__file__).parent
    file = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
    lines = [
        line
        for path in package.rglob("*.py")
        if path.stem != file and not {"lowering", "finn_backend"} & {*path.parts}
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(rf"\b{kind.__name__}(Kernel)?\b", line)
    ]
    assert len(lines) == 3, "\n".join(lines)


def _classes(package: ModuleType, base: type) -> Iterator[type]:
    """Subclasses of `base` in the modules of a package."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, base) and value is not base:
                yield value


def test_every_node_is_in_the_table() -> None:
    assert {*_classes(nodes, BaseNode)} - {MoveNode, ClassNode, Mvu} == {*KINDS}


def test_a_kernel_its_module_and_its_file_have_one_name() -> None:
    for module in pkgutil.iter_modules(kernels.__path__, f"{kernels.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and value.__module__ == module.name:
                name = getattr(value, "module", module.name.rpartition(".")[2])
                assert module.name.endswith(f".{name}")
                own = issubclass(value, UnrolledKernel)
                assert own or not hasattr(value, "module") or (SV_FOLDER / f"{name}.sv").is_file()


def rules_of(
    kind: type[BaseNode], rules: tuple[type[NodeKernel[Any]], ...]
) -> list[type[NodeKernel[Any]]]:
    """Kernels that do nodes of a type, as `kernel_for` asks them."""
    return [rule for rule in rules if issubclass(kind, rule.nodes)]


def test_every_node_is_done_by_one_kernel_or_is_a_wire() -> None:
    assert {*_classes(kernels, NodeKernel)} - {kernels.MvuKernel} <= {*kernels._RULES}
    for kind, case in CASES.items():
        rules = rules_of(kind, kernels._RULES)
        assert len(rules) == 1 or (not rules and case.node.is_wire(*case.befores)), kind


def test_a_node_that_two_kernels_do_is_found() -> None:
    """Else the order of imports would say which one does it."""

    class Second(kernels.ArgMaxKernel):
        nodes = (ClassNode,)  # ArgMax is one

    assert rules_of(ArgMax, (*kernels._RULES, Second)) == [kernels.ArgMaxKernel, Second]
