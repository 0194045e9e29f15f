"""A graph is split once, each region is looked at once, and nothing is searched for in lists."""

import functools
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import onnx
import pytest

from bnnedge.lowering import LoweringConfig, check, lower_model, solve
from bnnedge.lowering.indexed import IndexedModel
from bnnedge.lowering.load import read
from bnnedge.lowering.split import find_structure
from bnnedge.lowering.tidy import clean_up
from tests.lowering.graphs import Graph, bipolar

CONFIG = LoweringConfig(check_images=1)
ONE = np.float32([1])


def chain(layers: int, *, residual: bool) -> Graph:
    """Layers 4 → 4; behind each, with `residual`, its bits and the ones before are added."""
    rng = np.random.default_rng(0)
    graph = Graph((1, 4))
    before = graph.add("BipolarQuant", ONE)
    for number in range(layers - 1):
        graph.add("MatMul", bipolar(rng, 4, 4))
        graph.add("BipolarQuant", ONE)
        if residual and number:
            graph.add("Add", before)
            graph.add("BipolarQuant", ONE)
        before = graph.last
    graph.add("MatMul", bipolar(rng, 4, 3))
    return graph


def counted(calls: Counter[str], module: Any, name: str, patch: pytest.MonkeyPatch) -> None:
    original = getattr(module, name)

    def call(*args: Any, **keywords: Any) -> Any:
        calls[name] += 1
        return original(*args, **keywords)

    patch.setattr(module, name, call)


@pytest.mark.parametrize("residual", [False, True])
def test_a_graph_is_split_once_and_a_region_probed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, residual: bool
) -> None:
    path = chain(9, residual=residual).save(tmp_path / "net.onnx")
    regions = find_structure(IndexedModel(proto=read(path))).regions
    calls: Counter[str] = Counter()
    counted(calls, check, "find_structure", monkeypatch)
    counted(calls, solve, "RegionProbe", monkeypatch)
    lower_model(path, CONFIG)
    assert calls == {"find_structure": 1, "RegionProbe": len(regions)}


def lines_run(work: Callable[[], object]) -> int:
    """Lines of Python that `work` runs, loops within a line and the libraries' included."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def lower(path: Path) -> None:
    clean_up(onnx.load(path))  # lowering does it in a child
    lower_model(path, CONFIG)


@pytest.mark.parametrize("residual", [False, True])
def test_work_grows_with_the_number_of_layers(tmp_path: Path, residual: bool) -> None:
    sizes = (4, 8, 16, 32)
    paths = [chain(size, residual=residual).save(tmp_path / f"{size}.onnx") for size in sizes]
    lower_model(paths[0], CONFIG)  # imports
    small, middle, large = (lines_run(functools.partial(lower, path)) for path in paths[1:])
    assert large - middle < 2.2 * (middle - small)


def test_a_search_in_a_list_would_show() -> None:
    """What qonnx does for every tensor: the guard above must see it."""

    def searches(size: int) -> None:
        names = [str(number) for number in range(size)]
        for name in names:
            [other for other in names if other == name]

    small, middle, large = (lines_run(functools.partial(searches, size)) for size in (8, 16, 32))
    assert large - middle > 2.2 * (middle - small)
