"""Windows and pools in SystemVerilog against the Dataflow's, with and without stalls."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnedge.dataflow import ElementType, MaxPool, SlidingWindow, Stream, SumPool, Window
from bnnedge.dataflow.streams import BIPOLAR
from bnnedge.errors import DataflowError
from bnnedge.hardware.kernels import (
    Fold,
    Kernel,
    PoolKind,
    PoolWindowKernel,
    SlidingWindowKernel,
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

# Compiling a model takes a second: of the cases that a whole network also meets, some are slow.
SLOW = pytest.mark.slow
_SETTINGS = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
_WIDE = settings(_SETTINGS, max_examples=150)


def adversarial_maps(stream: Stream, count: int) -> NDArray[np.int64]:
    """Feature maps (count, H, W, C): the least and the greatest value everywhere, then random."""
    rng = np.random.default_rng(6)
    low, high = (
        (0, 1) if stream.element == BIPOLAR else (stream.element.smallest, stream.element.largest)
    )
    maps = rng.integers(low, high, (count, *stream.shape), endpoint=True)
    maps[0], maps[1] = high, low
    if stream.element.signed:
        maps[2] = low + (maps[2] - low) // 2  # all negative
    return maps


def check(
    kernel: Kernel,
    node: SlidingWindow | MaxPool | SumPool,
    stream: Stream,
    lanes: int,
    bench: KernelBench,
) -> None:
    """`lanes` is what is in a word, of the input and of the output."""
    after = node.output_stream(stream)
    maps = adversarial_maps(stream, 5)
    expected = node.run(maps if stream.element != BIPOLAR else maps.astype(np.uint8))
    words = after.elements // lanes
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(maps.reshape(-1, lanes), stream.element.width_bits),
            len(maps) * words,
            stalls=stalls,
        )
        got = elements_of(result.outputs, lanes, after.element.width_bits)
        if after.element.signed:
            got = signed(got, after.element.width_bits)
        assert (got.reshape(expected.shape) == expected).all()
        if stalls == NO_STALLS:
            assert (steady_intervals(result.out_cycles, words) == kernel.cycles_per_image).all()


def check_window(
    window: Window,
    shape: tuple[int, int, int],
    simd: int,
    bench: KernelBench,
    *,
    groups: int = 1,
    fill: int = 0,
    element: ElementType = BIPOLAR,
) -> None:
    node = SlidingWindow(name="window", window=window, groups=groups, fill=fill)
    stream = Stream(shape=shape, element=element)
    kernel = SlidingWindowKernel(
        name="window",
        window=window,
        shape=shape,
        element_bits=element.width_bits,
        simd=simd,
        groups=groups,
        fill=fill,
    )
    check(kernel, node, stream, simd, bench)


SAME = (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("window", "shape", "simd", "options"),
    [
        pytest.param(Window(kernel=(3, 3)), (7, 6, 8), 4, {}, marks=SLOW),
        (Window(kernel=(3, 3), padding=SAME), (5, 8, 4), 4, {"fill": 1}),
        (Window(kernel=(3, 3), padding=SAME, stride=(2, 2)), (8, 7, 4), 2, {"groups": 2}),
        (Window(kernel=(2, 3), dilation=(2, 1), padding=(0, 2, 1, 0)), (6, 7, 3), 1, {"groups": 3}),
        pytest.param(
            Window(kernel=(1, 1), stride=(2, 3)), (7, 8, 2), 2, {}, marks=SLOW
        ),  # whole lines are skipped
        (Window(kernel=(1, 1), padding=(1, 2, 0, 2)), (3, 4, 1), 1, {"fill": 1}),  # moves backwards
        # Windows of nothing but padding come before a frame's first word is needed.
        pytest.param(Window(kernel=(1, 2), padding=(2, 2, 0, 0)), (4, 4, 2), 1, {}, marks=SLOW),
        pytest.param(Window(kernel=(5, 5)), (5, 5, 2), 1, {}, marks=SLOW),  # one window
        (Window(kernel=(2, 2), stride=(2, 2)), (5, 7, 2), 2, {}),  # a line and a column are left
        (
            Window(kernel=(3, 3), padding=SAME),
            (9, 9, 3),
            3,
            {"element": ElementType(width_bits=8), "fill": 7},
        ),
        pytest.param(
            Window(kernel=(3, 1), padding=(1, 0, 1, 0)),
            (4, 1, 2),
            1,
            {"element": ElementType(width_bits=4, signed=True), "fill": -3},
            marks=SLOW,
        ),
    ],
)
def test_sliding_window_equals_interpreter_at_full_rate(
    window: Window,
    shape: tuple[int, int, int],
    simd: int,
    options: dict[str, Any],
    bench: KernelBench,
) -> None:
    check_window(window, shape, simd, bench, **options)


def test_deep_lines_are_in_block_ram(bench: KernelBench) -> None:
    window = Window(kernel=(3, 3), padding=SAME)
    kernel = SlidingWindowKernel(
        name="window", window=window, shape=(6, 20, 64), element_bits=1, simd=32
    )
    assert kernel.parameters["BlockRam"] == 1
    check_window(window, (6, 20, 64), 32, bench)


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, tuple[int, int, int]]:
    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    window = Window(
        kernel=pair(1, 4),
        stride=pair(1, 3),
        dilation=pair(1, 2),
        padding=(*pair(0, 2), *pair(0, 2)),
    )
    shape = (*pair(1, 9), draw(st.sampled_from([1, 2, 3, 4, 6])))
    assume(min(window.output_size(*shape[:2])) >= 1)
    return window, shape


@st.composite
def sliding_windows(draw: st.DrawFn) -> dict[str, Any]:
    window, shape = draw(windows())
    groups = draw(st.sampled_from(divisors(shape[2])))
    simd = draw(st.sampled_from(divisors(shape[2] // groups)))
    element = draw(st.sampled_from([BIPOLAR, ElementType(width_bits=3, signed=True)]))
    fill = draw(st.integers(0, 1))
    return {
        "window": window,
        "shape": shape,
        "simd": simd,
        "groups": groups,
        "element": element,
        "fill": fill,
    }


@pytest.mark.slow
@given(window=sliding_windows())
@_WIDE
def test_any_sliding_window_equals_interpreter(window: dict[str, Any], bench: KernelBench) -> None:
    check_window(bench=bench, **window)


def check_pool(
    window: Window,
    shape: tuple[int, int, int],
    lanes: int,
    bench: KernelBench,
    *,
    kind: PoolKind = PoolKind.BITS,
    conjunction: float = 0.4,
    width_bits: int = 4,
) -> Kernel:
    integers = ElementType(width_bits=width_bits, signed=kind is not PoolKind.UNSIGNED_MAX)
    stream = Stream(shape=shape, element=BIPOLAR if kind is PoolKind.BITS else integers)
    node: MaxPool | SumPool = MaxPool(name="pool", window=window)
    if kind is PoolKind.SUM:
        node = SumPool(name="pool", window=window)
    elif kind is PoolKind.BITS:
        flags = np.random.default_rng(7).random(shape[2]) < conjunction
        node = MaxPool(name="pool", window=window, conjunction=flags)
    kernel = PoolWindowKernel.of(node, [stream], Fold(pe=lanes, simd=lanes))
    assert kernel.kind is kind
    check(kernel, node, stream, lanes, bench)
    return kernel


SUMS: dict[str, Any] = {"kind": PoolKind.SUM}
PIXELS: dict[str, Any] = {"kind": PoolKind.UNSIGNED_MAX, "width_bits": 8}
LEAST: dict[str, Any] = {"kind": PoolKind.SIGNED_MAX, "width_bits": 5}
TIES: dict[str, Any] = {"kind": PoolKind.SIGNED_MAX, "width_bits": 2}


@pytest.mark.parametrize(
    ("window", "shape", "lanes", "options", "module"),
    [
        (Window(kernel=(2, 2), stride=(2, 2)), (6, 8, 4), 2, {}, "pool"),
        pytest.param(
            Window(kernel=(2, 2), stride=(2, 2)),
            (5, 7, 4),
            4,
            {"conjunction": 0},
            "pool",
            marks=SLOW,
        ),
        (Window(kernel=(2, 2), stride=(3, 2), padding=(1, 1, 1, 0)), (7, 6, 3), 1, {}, "pool"),
        (Window(kernel=(4, 3), stride=(4, 3)), (4, 3, 4), 2, SUMS, "pool"),  # global
        (Window(kernel=(2, 2), stride=(2, 3), padding=(1, 0, 1, 1)), (6, 7, 4), 2, LEAST, "pool"),
        (Window(kernel=(2, 2), stride=(2, 2)), (6, 6, 3), 3, PIXELS, "pool"),
        (Window(kernel=(3, 2), stride=(3, 2)), (6, 6, 2), 1, TIES, "pool"),
        (Window(kernel=(3, 3), stride=(2, 2), padding=SAME), (6, 7, 4), 2, LEAST, "pool_window"),
        (Window(kernel=(2, 2), dilation=(2, 1)), (6, 5, 2), 1, TIES, "pool_window"),
        pytest.param(
            Window(kernel=(3, 3), stride=(2, 2), padding=SAME),
            (7, 7, 3),
            3,
            PIXELS,
            "pool_window",
            marks=SLOW,
        ),
        pytest.param(Window(kernel=(2, 2), stride=(2, 2)), (4, 6, 2), 2, SUMS, "pool", marks=SLOW),
        pytest.param(Window(kernel=(1, 1), stride=(2, 2)), (5, 4, 2), 1, {}, "pool", marks=SLOW),
        (Window(kernel=(3, 3), stride=(2, 2), padding=SAME), (7, 8, 4), 2, {}, "pool_window"),
        (Window(kernel=(3, 3), stride=(2, 2)), (7, 7, 2), 2, SUMS, "pool_window"),
        pytest.param(
            Window(kernel=(2, 2), padding=(2, 0, 0, 0)),
            (4, 4, 2),
            1,
            SUMS,
            "pool_window",
            marks=SLOW,
        ),
    ],
)
def test_pool_equals_interpreter_at_full_rate(
    window: Window,
    shape: tuple[int, int, int],
    lanes: int,
    options: dict[str, Any],
    module: str,
    bench: KernelBench,
) -> None:
    kernel = check_pool(window, shape, lanes, bench, **options)
    assert kernel.module == module


@pytest.mark.slow
@given(window=windows(), lanes=st.integers(0, 3), kind=st.sampled_from(PoolKind))
@_WIDE
def test_any_pool_equals_interpreter(
    window: tuple[Window, tuple[int, int, int]],
    lanes: int,
    kind: PoolKind,
    bench: KernelBench,
) -> None:
    options = divisors(window[1][2])
    try:
        check_pool(*window, options[lanes % len(options)], bench, kind=kind)
    except DataflowError as error:  # a window of nothing but padding has no maximum
        assume("nothing but padding" not in str(error))
        raise
