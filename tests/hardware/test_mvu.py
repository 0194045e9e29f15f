"""Matrix-vector units and thresholds in SystemVerilog against the Dataflow's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, IntegerMvu, Stream, Threshold, XnorMvu
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels import (
    IntegerMvuKernel,
    Kernel,
    MvuKernel,
    ThresholdKernel,
    XnorMvuKernel,
    divisors,
)
from bnnedge.verilated.stalls import NO_STALLS
from tests.hardware.bench import (
    KernelBench,
    beats_of,
    elements_of,
    signed,
    steady_intervals,
)
from tests.networks import adversarial_thresholds, masked_thresholds, random_magnitudes

SLOW = pytest.mark.slow
# Compiling a model takes a second: few examples, many stimuli in each.
_SETTINGS = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_WIDE = settings(_SETTINGS, max_examples=80)
UINT8 = ElementType(width_bits=8)
INT2, INT3, INT4 = (ElementType(width_bits=bits, signed=True) for bits in (2, 3, 4))


def adversarial_weights(rng: np.random.Generator, mh: int, mw: int) -> NDArray[np.uint8]:
    weights = rng.integers(0, 2, (mh, mw), dtype=np.uint8)
    weights[rng.random(mh) < 0.2] = 1
    weights[rng.random(mh) < 0.2] = 0
    return weights


def padded_columns(classes: int, mw: int) -> NDArray[np.int64]:
    """Which columns are padding, i.e. 0, in pixels of each border class: (classes, MW)."""
    return np.random.default_rng(9).integers(0, 2, (classes, mw))


def adversarial_mvu(
    mh: int,
    mw: int,
    *,
    thresholded: bool,
    groups: int = 1,
    border: NDArray[np.int64] | None = None,
    masked: bool = False,
    seed: int = 0,
) -> XnorMvu:
    rng = np.random.default_rng(seed)
    classes = 1 if border is None else int(border.max()) + 1
    thresholds = np.stack([adversarial_thresholds(rng, mh, mw) for _ in range(classes)])
    weights = adversarial_weights(rng, mh, mw)
    values, magnitudes = 2 * weights.astype(int) - 1, None
    if masked:
        magnitudes = random_magnitudes(rng, mh, mw, 1)
        values *= magnitudes
        thresholds = masked_thresholds(rng, thresholds, magnitudes.sum(axis=1, dtype=np.int64))
    corrections = None if border is None else padded_columns(classes, mw) @ values.T
    return XnorMvu(
        name="fc",
        weights=weights,
        thresholds=(thresholds if border is not None else thresholds[0]) if thresholded else None,
        invert=rng.random(mh) < 0.4 if thresholded else None,
        groups=groups,
        magnitudes=magnitudes,
        border=border,
        correction=None if thresholded else corrections,
    )


def adversarial_integers(
    mh: int,
    mw: int,
    element: ElementType,
    *,
    thresholded: bool,
    groups: int = 1,
    most: int = 0,
    seed: int = 0,
) -> IntegerMvu:
    """`most` is the greatest magnitude; 0: there are none."""
    rng = np.random.default_rng(seed)
    limit = mw * max(1, most) * max(-element.smallest, element.largest)
    edges = np.array([-limit - 1, -limit, 0, 1, limit, limit + 1])
    near = rng.integers(-limit // 4 - 1, limit // 4 + 2, mh)
    thresholds = np.where(rng.random(mh) < 0.4, rng.choice(edges, mh), near)
    return IntegerMvu(
        name="fc",
        weights=adversarial_weights(rng, mh, mw),
        thresholds=thresholds if thresholded else None,
        invert=rng.random(mh) < 0.4 if thresholded else None,
        groups=groups,
        magnitudes=random_magnitudes(rng, mh, mw, most) if most else None,
    )


def adversarial_inputs(
    node: XnorMvu | IntegerMvu, element: ElementType, vectors: int
) -> NDArray[np.int64]:
    """Vectors (vectors, groups · MW) that some rows match wholly, or not at all, then random."""
    rng = np.random.default_rng(1)
    low, high = (0, 1) if element == BIPOLAR else (element.smallest, element.largest)
    rows = node.weights[rng.integers(node.mh, size=(3, node.groups))].reshape(3, -1)
    ends = np.zeros((1, node.groups * node.mw), np.uint8)
    special = np.where(np.concatenate([rows, 1 - rows, ends, 1 - ends]), high, low)
    rest = rng.integers(low, high, (vectors, special.shape[1]), endpoint=True)
    return np.concatenate([special, rest])[:vectors].astype(np.int64)


def check(
    kernel: Kernel,
    inputs: NDArray[np.int64],
    expected: NDArray[Any],
    bits: tuple[int, int],
    lanes: tuple[int, int],
    bench: KernelBench,
    *,
    is_signed: bool,
) -> None:
    """`inputs` (images, …) and `expected` of the same number; bits and lanes: (in, out)."""
    words = expected[0].size // lanes[1]
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(inputs.reshape(-1, lanes[0]), bits[0]),
            len(inputs) * words,
            stalls=stalls,
        )
        got = elements_of(result.outputs, lanes[1], bits[1])
        got = signed(got, bits[1]) if is_signed else got
        assert (got.reshape(expected.shape) == expected).all()
        if stalls == NO_STALLS:
            assert (steady_intervals(result.out_cycles, words) == kernel.cycles_per_image).all()


def check_mvu(kernel: MvuKernel, bench: KernelBench, element: ElementType = BIPOLAR) -> None:
    node, border = kernel.node, getattr(kernel.node, "border", None)
    pixels = (1,) if border is None else border.shape
    images = max(6, 24 // int(np.prod(pixels)))
    inputs = adversarial_inputs(node, element, images * kernel.pixels)
    inputs = inputs.reshape(images, *pixels, -1)
    if border is not None and not kernel.thresholded:
        padded = padded_columns(int(border.max()) + 1, node.mw)
        inputs = inputs * (1 - np.tile(padded[border], node.groups))
    node.output_stream(Stream(shape=inputs.shape[1:], element=element))
    expected = node.run(inputs.astype(np.uint8) if element == BIPOLAR else inputs)
    check(
        kernel,
        inputs,
        expected,
        (element.width_bits, kernel.out_bits // kernel.pe),
        (kernel.simd, kernel.pe),
        bench,
        is_signed=not kernel.thresholded,
    )


@pytest.mark.parametrize(
    ("mh", "mw", "pe", "simd", "thresholded"),
    [
        (64, 64, 16, 16, False),
        (64, 64, 4, 8, False),  # deep enough for the block ROM
        (64, 64, 4, 8, True),
        (6, 12, 6, 12, False),  # unfolded: SF = NF = 1
        (6, 12, 6, 12, True),
        (6, 12, 2, 12, False),  # SF = 1
        (6, 12, 2, 12, True),
        (6, 12, 6, 4, True),  # NF = 1
        (5, 7, 1, 1, True),  # MW not a power of two
        (3, 1, 3, 1, False),  # MW = 1
        (1, 1, 1, 1, True),
        (300, 48, 1, 12, True),  # weights in two pieces; thresholds read ahead
        (128, 384, 1, 12, True),  # so deep that they are in bytes; a long replay
        pytest.param(450, 48, 1, 12, False, marks=SLOW),  # in three
        pytest.param(172, 500, 2, 10, False, marks=SLOW),  # one of two in bytes
    ],
)
def test_mvu_equals_interpreter(
    mh: int, mw: int, pe: int, simd: int, thresholded: bool, bench: KernelBench
) -> None:
    node = adversarial_mvu(mh, mw, thresholded=thresholded)
    check_mvu(XnorMvuKernel(node=node, pe=pe, simd=simd), bench)


@pytest.mark.parametrize(
    ("mh", "mw", "pe", "simd", "groups", "thresholded"),
    [
        (64, 64, 4, 8, 1, True),  # deep enough for the block ROM
        pytest.param(6, 12, 6, 4, 2, False, marks=SLOW),
        pytest.param(6, 12, 6, 12, 1, False, marks=SLOW),
        pytest.param(6, 12, 6, 12, 1, True, marks=SLOW),
        pytest.param(5, 7, 1, 1, 1, True, marks=SLOW),
        pytest.param(5, 7, 1, 7, 1, False, marks=SLOW),
        pytest.param(3, 1, 3, 1, 1, True, marks=SLOW),
        pytest.param(12, 6, 2, 3, 3, True, marks=SLOW),
        pytest.param(8, 9, 1, 9, 8, False, marks=SLOW),
        pytest.param(300, 48, 1, 12, 1, True, marks=SLOW),
        pytest.param(172, 500, 2, 10, 1, False, marks=SLOW),
    ],
)
def test_columns_of_a_mask_do_not_count(
    mh: int, mw: int, pe: int, simd: int, groups: int, thresholded: bool, bench: KernelBench
) -> None:
    mh *= groups
    node = adversarial_mvu(mh, mw, thresholded=thresholded, groups=groups, masked=True)
    check_mvu(XnorMvuKernel(node=node, pe=pe, simd=simd), bench)


# Rows and columns of three classes, of two, of one; a pixel more or less; every pixel its own.
CORNERS = np.array([[0, 1, 1, 2], [3, 4, 4, 5], [3, 4, 4, 5], [6, 7, 7, 8]])
TOP = np.array([[1, 1, 1], [0, 0, 0]])
ALL = np.arange(6).reshape(3, 2)


@pytest.mark.parametrize(
    ("border", "thresholded", "pe", "simd", "masked"),
    [
        (CORNERS, True, 2, 3, False),
        (CORNERS, False, 3, 12, False),
        (CORNERS, False, 2, 4, True),
        pytest.param(TOP, True, 6, 12, False, marks=SLOW),
        pytest.param(ALL, False, 1, 6, False, marks=SLOW),
        pytest.param(ALL, True, 6, 4, False, marks=SLOW),
        pytest.param(TOP, True, 2, 12, True, marks=SLOW),
        pytest.param(ALL, False, 6, 6, True, marks=SLOW),
        pytest.param(ALL, True, 1, 3, True, marks=SLOW),
    ],
)
def test_mvu_has_thresholds_and_corrections_by_border_class(
    border: NDArray[np.int64],
    thresholded: bool,
    pe: int,
    simd: int,
    masked: bool,
    bench: KernelBench,
) -> None:
    node = adversarial_mvu(6, 12, thresholded=thresholded, border=border, masked=masked)
    check_mvu(XnorMvuKernel(node=node, pe=pe, simd=simd, pixels=border.size), bench)


@pytest.mark.parametrize(
    ("mh", "mw", "groups", "pe", "simd", "thresholded"),
    [
        (12, 6, 3, 2, 3, True),
        (8, 9, 8, 1, 9, True),  # depthwise
        pytest.param(8, 9, 8, 1, 3, False, marks=SLOW),
        pytest.param(6, 4, 2, 3, 4, False, marks=SLOW),
    ],
)
def test_a_groups_rows_see_their_own_inputs_only(
    mh: int, mw: int, groups: int, pe: int, simd: int, thresholded: bool, bench: KernelBench
) -> None:
    node = adversarial_mvu(mh, mw, thresholded=thresholded, groups=groups)
    check_mvu(XnorMvuKernel(node=node, pe=pe, simd=simd), bench)


@pytest.mark.parametrize(
    ("mh", "mw", "pe", "simd", "element", "thresholded", "groups"),
    [
        (16, 27, 4, 3, UINT8, True, 1),
        pytest.param(4, 27, 4, 27, UINT8, True, 1, marks=SLOW),
        (6, 10, 2, 10, UINT8, False, 1),
        (6, 10, 3, 1, INT3, False, 1),
        pytest.param(6, 12, 6, 4, INT3, True, 1, marks=SLOW),
        (6, 4, 3, 2, ElementType(width_bits=1), True, 2),
        pytest.param(3, 1, 3, 1, UINT8, True, 1, marks=SLOW),
    ],
)
def test_integer_mvu_equals_interpreter(
    mh: int,
    mw: int,
    pe: int,
    simd: int,
    element: ElementType,
    thresholded: bool,
    groups: int,
    bench: KernelBench,
) -> None:
    node = adversarial_integers(mh, mw, element, thresholded=thresholded, groups=groups)
    check_mvu(IntegerMvuKernel(node=node, element=element, pe=pe, simd=simd), bench, element)


@pytest.mark.parametrize(
    ("mh", "mw", "pe", "simd", "element", "thresholded", "groups", "most"),
    [
        (16, 27, 4, 9, INT3, True, 1, 4),
        (6, 10, 2, 10, INT4, False, 1, 8),
        pytest.param(16, 27, 4, 3, UINT8, True, 1, 1, marks=SLOW),
        pytest.param(16, 12, 4, 3, INT2, True, 1, 1, marks=SLOW),
        pytest.param(16, 27, 16, 27, INT2, True, 1, 2, marks=SLOW),
        pytest.param(6, 10, 3, 1, INT3, False, 1, 1, marks=SLOW),
        pytest.param(6, 4, 3, 2, ElementType(width_bits=1), True, 2, 3, marks=SLOW),
        pytest.param(8, 9, 1, 9, ElementType(width_bits=2), False, 8, 7, marks=SLOW),
        pytest.param(3, 1, 3, 1, UINT8, True, 1, 8, marks=SLOW),
        pytest.param(64, 48, 1, 12, INT4, True, 1, 7, marks=SLOW),
        pytest.param(6, 10, 2, 5, ElementType(width_bits=16, signed=True), True, 1, 8, marks=SLOW),
    ],
)
def test_products_with_magnitudes_equal_the_interpreters(
    mh: int,
    mw: int,
    pe: int,
    simd: int,
    element: ElementType,
    thresholded: bool,
    groups: int,
    most: int,
    bench: KernelBench,
) -> None:
    node = adversarial_integers(mh, mw, element, thresholded=thresholded, groups=groups, most=most)
    check_mvu(IntegerMvuKernel(node=node, element=element, pe=pe, simd=simd), bench, element)


@pytest.mark.parametrize(
    ("channels", "pe", "element"),
    [(6, 2, INT3), (5, 1, UINT8), (256, 1, UINT8), pytest.param(1, 1, INT3, marks=SLOW)],
)
def test_threshold_equals_interpreter(
    channels: int, pe: int, element: ElementType, bench: KernelBench
) -> None:
    rng = np.random.default_rng(8)
    edges = [element.smallest - 9, element.smallest, 0, element.largest, element.largest + 1, 999]
    node = Threshold(
        name="threshold",
        thresholds=rng.choice(edges, channels),
        invert=rng.random(channels) < 0.5,
    )
    values = rng.integers(element.smallest, element.largest, (40, channels), endpoint=True)
    check(
        ThresholdKernel(node=node, element=element, pe=pe),
        values,
        node.run(values),
        (element.width_bits, 1),
        (pe, pe),
        bench,
        is_signed=False,
    )


@st.composite
def mvu_kernels(draw: st.DrawFn) -> tuple[MvuKernel, ElementType]:
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    mh, mw = groups * draw(st.integers(1, 24)), draw(st.integers(1, 60))
    pe, simd = draw(st.sampled_from(divisors(mh // groups))), draw(st.sampled_from(divisors(mw)))
    thresholded, seed = draw(st.booleans()), draw(st.integers(0, 99))
    element = draw(st.sampled_from([BIPOLAR, UINT8, INT3, INT2]))
    most = draw(st.sampled_from([0, 1, 1, 3, 8]))
    if element != BIPOLAR:
        integers = adversarial_integers(
            mh, mw, element, thresholded=thresholded, groups=groups, most=most, seed=seed
        )
        return IntegerMvuKernel(node=integers, element=element, pe=pe, simd=simd), element
    border = draw(st.sampled_from([None, None, CORNERS, TOP, ALL]))
    node = adversarial_mvu(
        mh,
        mw,
        thresholded=thresholded,
        groups=groups,
        border=border,
        masked=most > 0,
        seed=seed,
    )
    pixels = 1 if border is None else border.size
    return XnorMvuKernel(node=node, pe=pe, simd=simd, pixels=pixels), element


@given(mvu=mvu_kernels())
@_SETTINGS
def test_mvu_equals_interpreter_for_any_shape_and_folding(
    mvu: tuple[MvuKernel, ElementType], bench: KernelBench
) -> None:
    check_mvu(mvu[0], bench, mvu[1])


@pytest.mark.slow
@given(mvu=mvu_kernels())
@_WIDE
def test_mvu_equals_interpreter_for_many_shapes(
    mvu: tuple[MvuKernel, ElementType], bench: KernelBench
) -> None:
    check_mvu(mvu[0], bench, mvu[1])


def test_threshold_words_hold_invert_above_threshold() -> None:
    node = XnorMvu(
        name="fc",
        weights=np.array([[1, 0, 1], [0, 0, 1]], np.uint8),
        thresholds=np.array([4, 1], np.int32),
        invert=np.array([True, False]),
    )
    memories = XnorMvuKernel(node=node, pe=2, simd=3, memory_prefix="mem/0_").memory_texts
    # Elements of 4 bits: {invert, T[2:0]}; weights 101 (row 0) below 100 (row 1), bit 0 first.
    assert memories == {"mem/0_weights.mem": "25\n", "mem/0_thresholds.mem": "1c\n"}


@pytest.mark.parametrize(
    ("pe", "simd", "groups", "text"),
    [
        (4, 1, 1, "fc: wanted PE that divides MH=6, got 4 — choose one of 1, 2, 3, 6"),
        (1, 0, 1, "fc: wanted SIMD that divides MW=4, got 0 — choose one of 1, 2, 4"),
        (6, 1, 2, "fc: wanted PE that divides MH/groups=3, got 6 — choose one of 1, 3"),
    ],
)
def test_mvu_refuses_folding_that_does_not_divide(
    pe: int, simd: int, groups: int, text: str
) -> None:
    node = adversarial_mvu(6, 4, thresholded=False, groups=groups)
    with pytest.raises(FoldingError) as caught:
        XnorMvuKernel(node=node, pe=pe, simd=simd)
    assert str(caught.value) == text
