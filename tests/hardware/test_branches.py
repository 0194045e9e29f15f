"""Kernels of branches against numpy, every stream stalling by itself, and what they cost."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType
from bnnedge.dataflow.streams import BIPOLAR, signed_type
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels import (
    SV_FOLDER,
    AddKernel,
    CodeTableKernel,
    ConcatKernel,
    CropKernel,
    Kernel,
    MultiThresholdKernel,
    PadChannelsKernel,
    StreamForkKernel,
)
from bnnedge.verilated import verilator
from bnnedge.verilated.stalls import NO_STALLS
from tests.hardware.bench import (
    KernelBench,
    beats_of,
    bits_of,
    elements_of,
    signed,
    steady_intervals,
)
from tests.hardware.test_cost import check_prediction

SLOW = pytest.mark.slow  # of the cases that compile a model each, some
INT4 = ElementType(width_bits=4, signed=True)
UINT3 = ElementType(width_bits=3)


def words_of(bits: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    """Bits (beats, B) → unsigned elements (beats, B / width)."""
    elements: NDArray[np.int64] = bits.reshape(len(bits), -1, width).astype(np.int64) @ (
        np.int64(1) << np.arange(width, dtype=np.int64)
    )
    return elements


@pytest.mark.parametrize("width", [1, 13, 40])
def test_both_ends_of_a_fork_get_every_word(width: int, bench: KernelBench) -> None:
    kernel = StreamForkKernel(width_bits=width, image_words=10)
    sent = np.random.default_rng(7).integers(0, 2, (400, width), dtype=np.uint8)
    for stalls in bench.stalls:
        outputs, result = bench.run_branches(kernel, [sent], len(sent), stalls=stalls)
        assert len(outputs) == 2
        assert all((output == sent).all() for output in outputs)
        if stalls == NO_STALLS:
            assert (steady_intervals(result.out_cycles, 10) == kernel.cycles_per_image).all()


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
        pytest.param(INT4, UINT3, (1, 4), 7, 2, marks=SLOW),
        (BIPOLAR, INT4, (2, 1), 5, 5),
        pytest.param(BIPOLAR, BIPOLAR, (1, 1), 3, 8, marks=SLOW),
        (INT4, INT4, (-1, 2), 6, 1),
        pytest.param(UINT3, BIPOLAR, (1, -8), 5, 2, marks=SLOW),
        (UINT3, INT4, (-2, -1), 6, 2),
        (INT4, signed_type(100), (13, -6), 12, 1),  # factors of several terms
        pytest.param(
            ElementType(width_bits=8), INT4, (1, 1), 20, 2, marks=SLOW
        ),  # more bits than are needed
    ],
)
def test_add_is_the_weighted_sum(
    a: ElementType,
    b: ElementType,
    factors: tuple[int, int],
    result_bits: int,
    lanes: int,
    bench: KernelBench,
) -> None:
    kernel = AddKernel(
        a=a, b=b, factors=factors, result_bits=result_bits, lanes=lanes, image_words=20
    )
    rng = np.random.default_rng(8)
    left, right = extremes(a, rng, lanes), extremes(b, rng, lanes)
    expected = factors[0] * numbers(left, a) + factors[1] * numbers(right, b)
    for stalls in bench.stalls:
        outputs, result = bench.run_branches(
            kernel,
            [bits_of(left, a.width_bits), bits_of(right, b.width_bits)],
            len(expected),
            stalls=stalls,
        )
        assert (signed(words_of(outputs[0], result_bits), result_bits) == expected).all()
        if stalls == NO_STALLS:
            assert (steady_intervals(result.out_cycles, 20) == kernel.cycles_per_image).all()


@pytest.mark.parametrize(("a_words", "b_words"), [(1, 1), (4, 1), (2, 3)])
def test_concat_takes_a_pixel_of_one_and_of_the_other(
    a_words: int, b_words: int, bench: KernelBench
) -> None:
    pixels, width = 200, 7
    kernel = ConcatKernel(width_bits=width, a_words=a_words, b_words=b_words, pixels=4)
    rng = np.random.default_rng(9)
    sent = [
        rng.integers(0, 2, (pixels, words * width), dtype=np.uint8) for words in (a_words, b_words)
    ]
    beats = pixels * (a_words + b_words)
    for stalls in bench.stalls:
        outputs, result = bench.run_branches(kernel, sent, beats, stalls=stalls)
        assert (outputs[0].reshape(pixels, -1) == np.concatenate(sent, axis=1)).all()
        if stalls == NO_STALLS:
            intervals = steady_intervals(result.out_cycles, 4 * (a_words + b_words))
            assert (intervals == kernel.cycles_per_image).all()


@pytest.mark.parametrize(
    ("before", "words", "after", "fill"), [(1, 1, 0, 0), (0, 3, 2, 5), (2, 4, 2, -3), (0, 1, 1, 0)]
)
def test_channels_are_padded_on_both_sides(
    before: int, words: int, after: int, fill: int, bench: KernelBench
) -> None:
    kernel = PadChannelsKernel(
        element_bits=4,
        lanes=3,
        before_words=before,
        in_words=words,
        after_words=after,
        fill=fill,
        pixels=5,
    )
    values = np.random.default_rng(10).integers(-8, 8, (100, words, 3))
    expected = np.pad(values, ((0, 0), (before, after), (0, 0)), constant_values=fill)
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(values.reshape(-1, 3), 4),
            expected.size // 3,
            stalls=stalls,
        )
        got = signed(elements_of(result.outputs, 3, 4), 4)
        assert (got.reshape(expected.shape) == expected).all()
        if stalls == NO_STALLS:
            intervals = steady_intervals(result.out_cycles, 5 * expected.shape[1])
            assert (intervals == kernel.cycles_per_image).all()


@pytest.mark.parametrize(
    ("shape", "words", "top", "left"),
    [((4, 5), 2, 1, 1), ((3, 3), 1, 2, 0), ((1, 2), 1, 0, 1)],
)
def test_crop_drops_first_rows_and_columns(
    shape: tuple[int, int], words: int, top: int, left: int, bench: KernelBench
) -> None:
    height, width = shape
    kernel = CropKernel(
        word_bits=9, pixel_words=words, height=height, width=width, top=top, left=left
    )
    maps = np.random.default_rng(11).integers(0, 1 << 9, (12, height, width, words))
    expected = maps[:, top:, left:]
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(maps.reshape(-1, 1), 9),
            expected.size,
            stalls=stalls,
        )
        assert (elements_of(result.outputs, 1, 9).reshape(expected.shape) == expected).all()
        if stalls == NO_STALLS:
            intervals = steady_intervals(result.out_cycles, expected[0].size)
            assert (intervals == kernel.cycles_per_image).all()


def multi_threshold(
    channels: int,
    levels: int,
    pe: int,
    *,
    bits: int = 6,
    low: int = 0,
    shared: bool = False,
    inverted: float = 0.4,
    beyond: int = 0,
    result: ElementType | None = None,
) -> MultiThresholdKernel:
    """Random thresholds, some of them equal, up to `beyond` over what elements reach."""
    rng = np.random.default_rng(levels)
    reach = (1 << (bits - 1)) - 1 + beyond
    thresholds = rng.integers(-reach, reach, (1 if shared else channels, levels), endpoint=True)
    return MultiThresholdKernel(
        name="codes",
        thresholds=np.sort(thresholds, axis=1).astype(np.int32),
        invert=rng.random(channels) < inverted,
        low=low,
        element_bits=bits,
        result=result or signed_type(levels + abs(low)),
        pe=pe,
        pixels=3,
    )


@pytest.mark.parametrize(
    "kernel",
    [
        multi_threshold(6, 3, 2, low=-2, result=ElementType(width_bits=2, signed=True)),
        multi_threshold(6, 15, 3, low=-8, bits=8, beyond=40),
        pytest.param(
            multi_threshold(4, 15, 4, result=ElementType(width_bits=4)), marks=SLOW
        ),  # one fold
        multi_threshold(6, 5, 1, low=-3, beyond=9),  # filled up to 7
        multi_threshold(6, 6, 2, shared=True, low=1),
        pytest.param(multi_threshold(8, 15, 2, shared=True, inverted=0, low=-8), marks=SLOW),
        multi_threshold(3, 1, 1, result=BIPOLAR),
        pytest.param(multi_threshold(1, 2, 1, inverted=0), marks=SLOW),
        multi_threshold(2, 255, 1, bits=9, beyond=5),
        pytest.param(
            multi_threshold(12, 7, 12, inverted=1), marks=SLOW
        ),  # memory files of two digits
    ],
    ids=lambda k: f"{k.thresholds.shape}-{k.pe}",
)
def test_multi_threshold_counts_what_is_reached(
    kernel: MultiThresholdKernel, bench: KernelBench
) -> None:
    channels, bits = len(kernel.invert), kernel.element_bits
    every = np.arange(-(1 << (bits - 1)), 1 << (bits - 1))
    rest = np.random.default_rng(12).choice(every, (60, channels))
    values = np.concatenate([np.tile(every[:, None], (1, channels)), rest])
    count = (values[:, :, None] >= kernel.thresholds).sum(axis=2)
    levels = kernel.thresholds.shape[1]
    expected = kernel.low + np.where(kernel.invert, levels - count, count)
    width = kernel.result.width_bits
    stages = levels.bit_length()
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(values.reshape(-1, kernel.pe), bits),
            values.size // kernel.pe,
            stalls=stalls,
        )
        got = elements_of(result.outputs, kernel.pe, width).reshape(expected.shape)
        assert ((signed(got, width) if kernel.result.signed else got) == expected).all()
        if stalls == NO_STALLS:
            intervals = steady_intervals(result.out_cycles, 3 * channels // kernel.pe)
            assert (intervals == kernel.cycles_per_image).all()
            latency = result.out_cycles[0] - result.in_cycles[0]
            words = [
                len(kernel.memory_texts[f"thresholds_{j}_000.mem"].split()) for j in range(stages)
            ]
            block = 2048 // int(kernel.parameters["ThresholdBits"])
            assert latency == stages + sum(int(n > 16) + int(n >= max(17, block)) for n in words)


def test_thresholds_that_all_channels_share_are_stored_once() -> None:
    kernel = multi_threshold(8, 3, 4, shared=True, inverted=0)
    assert sorted(kernel.memory_texts) == ["thresholds_0_000.mem", "thresholds_1_000.mem"]
    low, middle, high = (f"{value & 0x3F:02x}\n" for value in kernel.thresholds[0])
    assert list(kernel.memory_texts.values()) == [middle, low + high]
    everywhere = dataclasses.replace(kernel, thresholds=np.tile(kernel.thresholds, (8, 1)))
    assert everywhere.memory_texts == kernel.memory_texts
    assert everywhere.parameters == kernel.parameters


def codes(
    levels: int, bits: int, pe: int, *, thresholds: NDArray[np.int64] | None = None
) -> MultiThresholdKernel | CodeTableKernel:
    """What shared thresholds become; without thresholds, a clamp to as many levels."""
    if thresholds is None:
        thresholds = np.arange(levels) - levels // 2
    return MultiThresholdKernel(
        name="codes",
        thresholds=np.tile(thresholds.astype(np.int32), (4, 1)),
        invert=np.zeros(4, np.bool_),
        low=-(levels // 2) - 1,
        element_bits=bits,
        result=signed_type(levels // 2 + 1),
        pe=pe,
        pixels=3,
    ).cheapest


UNEVEN = np.array([-14, -11, -11, -4, -2, 0, 3, 9])


@pytest.mark.parametrize(
    ("levels", "bits", "pe", "thresholds"), [(15, 5, 2, None), (8, 5, 4, UNEVEN), (2, 1, 1, None)]
)
def test_shared_codes_of_few_bits_are_a_table(
    levels: int,
    bits: int,
    pe: int,
    thresholds: NDArray[np.int64] | None,
    bench: KernelBench,
) -> None:
    kernel = codes(levels, bits, pe, thresholds=thresholds)
    assert isinstance(kernel, CodeTableKernel)
    if thresholds is None:
        thresholds = np.arange(levels) - levels // 2
    values = np.random.default_rng(13).integers(-1 << (bits - 1), 1 << (bits - 1), (200, 4))
    expected = (values[:, :, None] >= thresholds).sum(axis=2) - levels // 2 - 1
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(values.reshape(-1, pe), bits),
            values.size // pe,
            stalls=stalls,
        )
        width = kernel.result.width_bits
        got = signed(elements_of(result.outputs, pe, width), width)
        assert (got.reshape(expected.shape) == expected).all()
        if stalls == NO_STALLS:
            intervals = steady_intervals(result.out_cycles, 12 // pe)
            assert (intervals == kernel.cycles_per_image).all()


def test_a_search_is_taken_where_channels_differ_or_elements_are_wide() -> None:
    assert codes(3, 8, 1).module == "code_table"
    assert codes(3, 9, 1).module == "multi_threshold"
    for invert, module in (([1, 1, 1, 1], "code_table"), ([0, 0, 1, 0], "multi_threshold")):
        other = MultiThresholdKernel(
            name="codes",
            thresholds=np.array([[-1, 0, 1]], np.int32),
            invert=np.array(invert, np.bool_),
            low=-2,
            element_bits=5,
            result=INT4,
            pe=1,
        ).cheapest
        assert other.module == module


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(FoldingError, match="add: wanted factors other than 0"):
        AddKernel(a=INT4, b=INT4, factors=(1, 0), result_bits=9, lanes=1, image_words=1)
    with pytest.raises(FoldingError, match="add: wanted result_bits that hold -14 ... 23, got 5"):
        AddKernel(a=INT4, b=UINT3, factors=(-2, 1), result_bits=5, lanes=1, image_words=1)
    with pytest.raises(FoldingError, match="concat: wanted at least one word of each input"):
        ConcatKernel(width_bits=1, a_words=0, b_words=1, pixels=1)
    with pytest.raises(FoldingError, match="pad_channels: wanted at least one word of a pixel"):
        PadChannelsKernel(
            element_bits=1, lanes=1, before_words=0, in_words=1, after_words=0, pixels=1
        )
    with pytest.raises(FoldingError, match="crop: wanted to keep a row and a column of 2 x 3"):
        CropKernel(word_bits=1, pixel_words=1, height=2, width=3, top=2, left=0)
    for kind in (multi_threshold, codes):
        with pytest.raises(FoldingError, match="codes: wanted PE that divides C=4, got 3"):
            kind(4, 3, 3)
    table = codes(3, 5, 1)
    assert isinstance(table, CodeTableKernel)
    with pytest.raises(FoldingError, match="codes: wanted 32 codes, got .31,."):
        dataclasses.replace(table, codes=table.codes[:-1])
    with pytest.raises(FoldingError, match="codes: wanted PE up to 1000, got 1001"):
        multi_threshold(1001, 1, 1001)
    with pytest.raises(FoldingError, match="codes: wanted 1 to 255 thresholds .* got .4, 256."):
        multi_threshold(4, 256, 1)
    with pytest.raises(FoldingError, match="for codes -3 ... 0, got INT2"):
        multi_threshold(4, 3, 1, low=-3, result=ElementType(width_bits=2, signed=True))
    kernel = multi_threshold(4, 3, 1)
    with pytest.raises(FoldingError, match="codes: wanted ascending thresholds"):
        dataclasses.replace(kernel, thresholds=kernel.thresholds[:, ::-1])


_LINTED: list[Kernel] = [
    StreamForkKernel(width_bits=1, image_words=1),
    AddKernel(a=INT4, b=INT4, result_bits=5, lanes=3, image_words=1),
    AddKernel(a=BIPOLAR, b=UINT3, factors=(5, -8), result_bits=7, lanes=1, image_words=1),
    AddKernel(a=BIPOLAR, b=BIPOLAR, factors=(-1, -6), result_bits=9, lanes=2, image_words=1),
    *(ConcatKernel(width_bits=8, a_words=a, b_words=3, pixels=1) for a in (1, 3)),
    *(
        PadChannelsKernel(
            element_bits=2, lanes=3, before_words=b, in_words=3, after_words=a, pixels=1
        )
        for b, a in ((0, 1), (2, 0), (2, 2))
    ),
    codes(15, 5, 2),
    CropKernel(word_bits=1, pixel_words=1, height=1, width=4, top=0, left=1),
    CropKernel(word_bits=8, pixel_words=3, height=4, width=3, top=2, left=0),
    *(
        multi_threshold(channels, levels, pe, shared=shared, inverted=inverted)
        for channels, pe in ((6, 2), (4, 4))
        for levels in (1, 6)
        for shared in (False, True)
        for inverted in (0, 1)
    ),
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
        ConcatKernel(width_bits=16, a_words=6, b_words=2, pixels=1),
        PadChannelsKernel(
            element_bits=4, lanes=4, before_words=2, in_words=4, after_words=2, pixels=1
        ),
        CropKernel(word_bits=16, pixel_words=2, height=32, width=32, top=1, left=1),
        codes(15, 5, 4),
        codes(8, 5, 4, thresholds=UNEVEN),
        multi_threshold(64, 15, 2, bits=12, inverted=0, low=-8),
        multi_threshold(64, 15, 2, bits=12, low=-8, result=INT4),
        multi_threshold(64, 15, 8, bits=12, shared=True, inverted=0, low=-8, result=INT4),
        multi_threshold(64, 13, 8, bits=5, shared=True, inverted=0, low=-8, result=INT4),
        multi_threshold(64, 15, 8, bits=11, low=-8, result=INT4),
        multi_threshold(32, 255, 1, bits=14),
    ],
    ids=lambda kernel: kernel.module,
)
def test_cost_is_what_yosys_makes_of_it(kernel: Kernel, tmp_path: Path) -> None:
    check_prediction(kernel, tmp_path)
