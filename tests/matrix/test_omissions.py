"""A node that lacks a square is found, and the message names both."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from numpy.typing import NDArray

from bnnedge.dataflow import PadChannels, SlidingWindow, Stream, record
from bnnedge.dataflow.nodes.base import BaseNode, MoveNode
from bnnedge.errors import DesignError
from bnnedge.hardware import kernels
from bnnedge.hardware.folding import choose_folding, default_fps
from bnnedge.hardware.kernels import (
    CropKernel,
    Fold,
    Kernel,
    NodeKernel,
    PadChannelsKernel,
    SlidingWindowKernel,
)
from tests.matrix.cases import CASES, Case
from tests.matrix.squares import Place, Square, check
from tests.matrix.test_matrix import SQUARES


class _Same(BaseNode):
    """What it reads."""

    def output_stream(self, stream: Stream) -> Stream:
        return stream

    def run(self, values: NDArray[Any]) -> NDArray[Any]:
        return values


@dataclass(frozen=True, kw_only=True)
class Same(_Same, MoveNode):
    """That only rearranges."""


class SameKernel(NodeKernel[Same]):
    """Drops nothing of a feature map."""

    nodes = (_Same,)

    @classmethod
    def of(
        cls, node: Same, befores: Sequence[Stream], fold: Fold, memory_prefix: str = ""
    ) -> Kernel:
        height, width, channels = befores[0].shape
        words = channels // fold.pe
        bits = fold.pe * befores[0].element.width_bits
        return _Form.kernel(
            word_bits=bits, pixel_words=words, height=height, width=width, top=0, left=0
        )


class _Form:
    """What `SameKernel` makes."""

    kernel: type[Kernel] = CropKernel


IMAGE = [[[1, -2], [0, 3]]]


def case_of(kind: type[Any], **changes: Any) -> Case:
    """An image of 1 x 2 pixels."""
    case = Case(
        node=kind(name="node"),
        shape=(1, 2, 2),
        example=([IMAGE], IMAGE),
        finn="there is none: it is a test's own",
    )
    return dataclasses.replace(case, **changes)


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of nodes and kernels, with a node of the test's own."""
    monkeypatch.setitem(record._NODES, "Same", Same)  # type: ignore[arg-type]
    monkeypatch.setattr(kernels, "_RULES", (*kernels._RULES, SameKernel))


def refused(square: Square, case: Case, place: Place, text: str) -> None:
    what = rf"^{type(case.node).__name__} x {re.escape(square.value)}: "
    with pytest.raises(AssertionError, match=what) as caught:
        check(square, case, place)
    assert text in str(caught.value)


@pytest.mark.parametrize("square", SQUARES)
def test_a_node_with_a_kernel_and_a_case_lacks_nothing(square: Square, place: Place) -> None:
    check(square, case_of(Same), place)


def test_numpy(place: Place) -> None:
    refused(Square.NUMPY, case_of(Same, example=([IMAGE], [[[1, 2]]])), place, "assert")

    class Silent(BaseNode):
        def output_stream(self, stream: Stream) -> Stream:
            return stream

    with pytest.raises(TypeError, match="Can't instantiate abstract class Silent .*run"):
        Silent(name="node")  # type: ignore[abstract]


def test_record(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(record._NODES, "Same")
    refused(Square.RECORD, case_of(Same), place, "wanted a name and an op of XnorMvu, ")


def test_systemverilog_without_a_kernel(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_RULES", kernels._RULES[:-1])
    case, text = case_of(Same), "node: no kernel does a Same — add one to bnnedge.hardware.kernels"
    for square in (Square.SYSTEMVERILOG, Square.HLS, Square.FOLDING):
        refused(square, case, place, text)
    with pytest.raises(DesignError, match=text):
        default_fps(case.network, 100)
    with pytest.raises(DesignError, match=text):
        choose_folding(case.network, target_fps=1, clock_mhz=100)


def test_systemverilog_and_hls_without_a_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nowhere(CropKernel):
        module = "nowhere"

    monkeypatch.setattr(_Form, "kernel", Nowhere)
    refused(Square.SYSTEMVERILOG, case_of(Same), place, "nowhere.sv")
    refused(Square.HLS, case_of(Same), place, "nowhere has no twin in HLS")


def test_emulator(place: Place) -> None:
    """A node that does more than to rearrange is an operation of its plan."""

    @dataclass(frozen=True, kw_only=True)
    class Computed(_Same):
        pass

    refused(Square.EMULATOR, case_of(Computed), place, "unreachable, but got: ")


def test_finn(place: Place) -> None:
    refused(Square.FINN, case_of(Same, finn="test_streams.py::test_same"), place, "test_same")
    refused(Square.FINN, case_of(Same, finn=""), place, "")


def test_fifo_rule(place: Place) -> None:
    class Turned(Same):
        def run(self, values: NDArray[Any]) -> NDArray[Any]:
            return values[:, :, ::-1]

    refused(Square.FIFO, case_of(Turned), place, "assert")


@pytest.mark.parametrize(
    ("kind", "kernel"), [(PadChannels, PadChannelsKernel), (SlidingWindow, SlidingWindowKernel)]
)
def test_folding_rule_without_its_own_folds(
    kind: type[Any], kernel: type[Any], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All divisors of the channels, which these kernels cannot have."""
    monkeypatch.delattr(kernel, "folds")
    refused(Square.FOLDING, CASES[kind], place, "")


def test_folding_rule(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hasty(CropKernel):
        @property
        def cycles_per_image(self) -> int:
            return super().cycles_per_image - 1

    monkeypatch.setattr(_Form, "kernel", Hasty)
    refused(Square.FOLDING, case_of(Same), place, "assert")

    class Odd(SameKernel):
        @classmethod
        def folds(cls, node: Same, befores: Sequence[Stream]) -> tuple[Fold, ...]:
            return (Fold(pe=2, simd=2), Fold(pe=1, simd=1))

    monkeypatch.setattr(_Form, "kernel", CropKernel)
    monkeypatch.setattr(kernels, "_RULES", (*kernels._RULES[:-1], Odd))
    refused(Square.FOLDING, case_of(Same), place, "assert")
