"""Yosys reads every kernel and maps it as intended: memories where they belong, and no DSP."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge.dataflow import (
    BIPOLAR,
    ElementType,
    MaxPool,
    Stream,
    SumPool,
    Threshold,
    Window,
)
from bnnedge.dataflow.streams import signed_type
from bnnedge.hardware.kernels import (
    Fold,
    IntegerMvuKernel,
    Kernel,
    PoolWindowKernel,
    ScoreTableKernel,
    SlidingWindowKernel,
    ThresholdKernel,
    TopKKernel,
    XnorMvuKernel,
)
from bnnedge.hardware.unrolled.graph import Graph
from tests.hardware.mapped import cells, graph_cells
from tests.hardware.test_kernels import score_table
from tests.hardware.test_mvu import CORNERS, UINT8, adversarial_integers, adversarial_mvu

SAME = (1, 1, 1, 1)


def window(shape: tuple[int, int, int], simd: int, bits: int = 1) -> SlidingWindowKernel:
    return SlidingWindowKernel(
        name="window",
        window=Window(kernel=(3, 3), padding=SAME),
        shape=shape,
        element_bits=bits,
        simd=simd,
    )


def scores(reach: int, pe: int) -> ScoreTableKernel:
    """Ten classes."""
    node = score_table(10, reach, 2)
    return ScoreTableKernel(node=node, element=signed_type(reach), pe=pe)


def pool(overlap: bool, kind: type[MaxPool | SumPool], element: ElementType) -> Kernel:
    window = Window(kernel=(3, 3), stride=(2, 2) if overlap else (3, 3))
    node = kind(name="pool", window=window)
    if element == BIPOLAR:
        node = MaxPool(name="pool", window=window, conjunction=np.arange(8) % 2 == 0)
    stream = Stream(shape=(9, 9, 8), element=element)
    return PoolWindowKernel.of(node, [stream], Fold(pe=2, simd=2))


THRESHOLD = Threshold(name="t", thresholds=np.arange(8) - 4, invert=np.arange(8) % 3 == 0)
INT5 = ElementType(width_bits=5, signed=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "block_rams", "lut_rams"),
    [
        (window((30, 30, 64), 32), 1, False),  # 512 words of 32 bits
        (window((32, 32, 3), 3, bits=8), 1, False),
        (window((5, 5, 8), 8), 0, True),
        (pool(False, MaxPool, BIPOLAR), 0, True),
        (pool(True, MaxPool, BIPOLAR), 1, False),
        (pool(False, SumPool, signed_type(31)), 0, True),
        (pool(False, MaxPool, UINT8), 0, True),
        (pool(True, MaxPool, UINT8), 1, False),
        (ThresholdKernel(node=THRESHOLD, element=INT5, pe=2), 0, False),
        (scores(512, 1), 3, False),  # 5130 words of 7 bits
        (scores(512, 10), 10, False),
        (scores(16, 10), 0, False),
        (TopKKernel(elements=10, k=5, element_bits=8), 0, False),
        (
            IntegerMvuKernel(
                node=adversarial_integers(16, 27, UINT8, thresholded=True),
                element=UINT8,
                pe=4,
                simd=3,
            ),
            1,
            True,
        ),
        (
            XnorMvuKernel(
                node=adversarial_mvu(6, 12, thresholded=True, border=CORNERS),
                pe=3,
                simd=4,
                pixels=16,
            ),
            0,
            False,  # three words for replay are registers
        ),
    ],
)
def test_kernel_maps_to_ecp5(
    kernel: Kernel, block_rams: int, lut_rams: bool, tmp_path: Path
) -> None:
    count = cells(kernel, tmp_path)
    assert not any(kind.startswith(("MULT18", "ALU54", "$")) for kind in count)
    assert count.get("DP16KD", 0) == block_rams
    assert ("TRELLIS_DPR16X4" in count) == lut_rams


def test_copies_of_a_register_stay(tmp_path: Path) -> None:
    graph = Graph(3)
    literal = graph.lut(0b10010110, graph.inputs)
    graph.give([graph.copied(literal, place) for place in (1, 2, 3)])
    one = Graph(3)
    one.give([one.copied(one.lut(0b10010110, one.inputs), 0)] * 3)
    (tmp_path / "copies").mkdir()
    (tmp_path / "one").mkdir()
    copies = graph_cells(graph, tmp_path / "copies")["TRELLIS_FF"]
    assert copies - graph_cells(one, tmp_path / "one")["TRELLIS_FF"] == 2
