"""Kernels of branches against numpy, every stream stalling by itself, and what they cost."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType
from bnnedge.dataflow.streams import BIPOLAR, signed_type
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels import SV_FOLDER, AddKernel, Kernel, StreamForkKernel
from bnnedge.verilated import verilator
from tests.hardware.bench import bits_of, run_branches, signed, steady_intervals
from tests.hardware.test_cost import check_prediction

STALLS = (0.0, 0.3, 0.7)
INT4 = ElementType(width_bits=4, signed=True)
UINT3 = ElementType(width_bits=3)


def words_of(bits: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    """Bits (beats, B) → unsigned elements (beats, B / width)."""
    elements: NDArray[np.int64] = bits.reshape(len(bits), -1, width).astype(np.int64) @ (
        np.int64(1) << np.arange(width, dtype=np.int64)
    )
    return elements


@pytest.mark.parametrize("width", [1, 13, 40])
def test_both_ends_of_a_fork_get_every_word(width: int, tmp_path: Path, cache: Path) -> None:
    kernel = StreamForkKernel(width_bits=width, image_words=10)
    sent = np.random.default_rng(7).integers(0, 2, (400, width), dtype=np.uint8)
    for stalls in STALLS:
        outputs, result = run_branches(
            kernel, [sent], len(sent), folder=tmp_path, cache=cache, stalls=stalls
        )
        assert len(outputs) == 2
        assert all((output == sent).all() for output in outputs)
        if stalls == 0:
            assert (steady_intervals(result, 10) == kernel.cycles_per_image).all()


def extremes(element: ElementType, rng: np.random.Generator, lanes: int) -> NDArray[np.int64]:
    """Raw elements (400, lanes): every pair of ends of two types' ranges comes, then random."""
    values = rng.integers(0, 1 << element.width_bits, (400, lanes))
    ends = [element.smallest, element.largest, 0]
    values[:90] = rng.choice(ends, (90, lanes)) & ((1 << element.width_bits) - 1)
    return values


def numbers(raw: NDArray[np.int64], element: ElementType) -> NDArray[np.int64]:
    """What elements stand for."""
    if element.bipolar:
        return 2 * raw - 1
    return signed(raw, element.width_bits) if element.signed else raw


@pytest.mark.parametrize(
    ("a", "b", "factors", "result_bits", "lanes"),
    [
        (INT4, INT4, (1, 1), 5, 3),
        (INT4, UINT3, (1, 4), 7, 2),
        (BIPOLAR, INT4, (2, 1), 5, 5),
        (BIPOLAR, BIPOLAR, (1, 1), 3, 8),
        (INT4, INT4, (-1, 2), 6, 1),
        (UINT3, BIPOLAR, (1, -8), 5, 2),
        (UINT3, INT4, (-2, -1), 6, 2),
        (INT4, signed_type(100), (13, -6), 12, 1),  # factors of several terms
        (ElementType(width_bits=8), INT4, (1, 1), 20, 2),  # more bits than are needed
    ],
)
def test_add_is_the_weighted_sum(
    a: ElementType,
    b: ElementType,
    factors: tuple[int, int],
    result_bits: int,
    lanes: int,
    tmp_path: Path,
    cache: Path,
) -> None:
    kernel = AddKernel(
        a=a, b=b, factors=factors, result_bits=result_bits, lanes=lanes, image_words=20
    )
    rng = np.random.default_rng(8)
    left, right = extremes(a, rng, lanes), extremes(b, rng, lanes)
    expected = factors[0] * numbers(left, a) + factors[1] * numbers(right, b)
    for stalls in STALLS:
        outputs, result = run_branches(
            kernel,
            [bits_of(left, a.width_bits), bits_of(right, b.width_bits)],
            len(expected),
            folder=tmp_path,
            cache=cache,
            stalls=stalls,
        )
        assert (signed(words_of(outputs[0], result_bits), result_bits) == expected).all()
        if stalls == 0:
            assert (steady_intervals(result, 20) == kernel.cycles_per_image).all()


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(FoldingError, match="add: wanted factors other than 0"):
        AddKernel(a=INT4, b=INT4, factors=(1, 0), result_bits=9, lanes=1, image_words=1)
    with pytest.raises(FoldingError, match="add: wanted result_bits that hold -14 ... 23, got 5"):
        AddKernel(a=INT4, b=UINT3, factors=(-2, 1), result_bits=5, lanes=1, image_words=1)


_LINTED: list[Kernel] = [
    StreamForkKernel(width_bits=1, image_words=1),
    AddKernel(a=INT4, b=INT4, result_bits=5, lanes=3, image_words=1),
    AddKernel(a=BIPOLAR, b=UINT3, factors=(5, -8), result_bits=7, lanes=1, image_words=1),
    AddKernel(a=BIPOLAR, b=BIPOLAR, factors=(-1, -6), result_bits=9, lanes=2, image_words=1),
]


@pytest.mark.parametrize("kernel", _LINTED, ids=lambda kernel: kernel.module)
def test_kernel_has_no_lint_warning(kernel: Kernel) -> None:
    sources = [SV_FOLDER / f"{name}.sv" for name in (kernel.module, *kernel.submodules)]
    verilator.lint(sources, top=kernel.module, parameters=kernel.parameters)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernel",
    [
        StreamForkKernel(width_bits=16, image_words=1),
        AddKernel(a=INT4, b=INT4, result_bits=5, lanes=8, image_words=1),
        AddKernel(a=BIPOLAR, b=INT4, factors=(4, 1), result_bits=5, lanes=8, image_words=1),
        AddKernel(
            a=signed_type(500), b=INT4, factors=(1, 16), result_bits=11, lanes=4, image_words=1
        ),
        AddKernel(a=BIPOLAR, b=UINT3, factors=(-3, -8), result_bits=8, lanes=8, image_words=1),
    ],
    ids=lambda kernel: kernel.module,
)
def test_cost_is_what_yosys_makes_of_it(kernel: Kernel, tmp_path: Path) -> None:
    check_prediction(kernel, tmp_path)
