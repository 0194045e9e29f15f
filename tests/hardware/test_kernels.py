"""Every SystemVerilog kernel against numpy, with and without stalls."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bnnedge import tools
from bnnedge.dataflow import ArgMax, OutputTable, ScoreTable
from bnnedge.dataflow.streams import signed_type
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels import (
    SV_FOLDER,
    ArgMaxKernel,
    IntegerMvuKernel,
    PoolKernel,
    PoolWindowKernel,
    ScoreTableKernel,
    SlidingWindowKernel,
    StreamFifoKernel,
    StreamWidthConverterKernel,
    ThresholdKernel,
    TopKKernel,
    XnorMvuKernel,
    hex_words,
)
from bnnedge.verilated import verilator
from bnnedge.verilated.stalls import NO_STALLS
from tests.hardware.bench import (
    KernelBench,
    beats_of,
    elements_of,
    signed,
    steady_intervals,
)

# Compiling a model takes a second: few examples, many stimuli in each.
_SETTINGS = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_WIDE = settings(_SETTINGS, max_examples=60)


def check_converter(kernel: StreamWidthConverterKernel, bench: KernelBench) -> None:
    frames = 12
    rng = np.random.default_rng(2)
    in_beats = -(-kernel.frame_bits // kernel.in_bits)
    out_beats = -(-kernel.frame_bits // kernel.out_bits)
    # Bits behind the frame's end are set: they must be dropped, not passed on.
    sent = np.ones((frames, in_beats * kernel.in_bits), np.int64)
    sent[:, : kernel.frame_bits] = rng.integers(0, 2, (frames, kernel.frame_bits))
    expected = np.zeros((frames, out_beats * kernel.out_bits), np.int64)
    expected[:, : kernel.frame_bits] = sent[:, : kernel.frame_bits]
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(sent.reshape(-1, kernel.in_bits), 1),
            frames * out_beats,
            stalls=stalls,
        )
        got = elements_of(result.outputs, kernel.out_bits, 1).reshape(frames, -1)
        assert (got == expected).all()
        if stalls == NO_STALLS:
            assert (steady_intervals(result.out_cycles, out_beats) == kernel.cycles_per_image).all()


@pytest.mark.parametrize(
    ("in_bits", "out_bits", "frame_bits"),
    [
        (32, 8, 64),
        (32, 16, 784),
        (4, 32, 10),  # one partial beat
        (32, 4, 10),  # surplus bits
        (6, 4, 15),
        (4, 6, 26),
        (3, 7, 1),
        (11, 8, 33),
        (40, 32, 160),
        (3, 11, 23),  # the last input beat completes two output beats
    ],
)
def test_width_converter_repacks_frames(
    in_bits: int, out_bits: int, frame_bits: int, bench: KernelBench
) -> None:
    kernel = StreamWidthConverterKernel(
        input_width_bits=in_bits, output_width_bits=out_bits, frame_bits=frame_bits
    )
    check_converter(kernel, bench)


@pytest.mark.slow
@given(
    kernel=st.builds(
        StreamWidthConverterKernel,
        input_width_bits=st.integers(1, 40),
        output_width_bits=st.integers(1, 40),
        frame_bits=st.integers(1, 120),
    )
)
@_WIDE
def test_width_converter_repacks_any_frames(
    kernel: StreamWidthConverterKernel, bench: KernelBench
) -> None:
    check_converter(kernel, bench)


@pytest.mark.parametrize("depth", [2, 3, 16])
def test_fifo_keeps_order_and_full_rate(depth: int, bench: KernelBench) -> None:
    kernel = StreamFifoKernel(width_bits=13, depth_words=depth, image_words=1)
    values = np.random.default_rng(3).integers(0, 2**13, (300, 1))
    for stalls in bench.stalls:
        result = bench.run_kernel(kernel, beats_of(values, 13), 300, stalls=stalls)
        assert (elements_of(result.outputs, 1, 13) == values).all()
        if stalls == NO_STALLS:
            assert (np.diff(result.out_cycles) == 1).all()


@pytest.mark.parametrize(("elements", "pe"), [(10, 1), (10, 5), (10, 10), (6, 3), (1, 1)])
def test_arg_max_takes_the_lowest_of_ties(elements: int, pe: int, bench: KernelBench) -> None:
    bits = 5
    rng = np.random.default_rng(4)
    extremes = np.where(np.eye(elements), 15, -16)
    ties = rng.integers(-2, 1, (60, elements))
    values = np.concatenate(
        [extremes, -extremes - 1, np.zeros((1, elements), int), ties,
         rng.integers(-16, 16, (60, elements))]
    ).astype(np.int64)  # fmt: skip
    kernel = ArgMaxKernel(elements=elements, pe=pe, element_bits=bits)
    expected = ArgMax(name="top").run(values)
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(values.reshape(-1, pe), bits),
            len(values),
            stalls=stalls,
        )
        assert (elements_of(result.outputs, 1, kernel.out_bits) == expected).all()
        if stalls == NO_STALLS:
            assert (steady_intervals(result.out_cycles, 1) == kernel.cycles_per_image).all()


@pytest.mark.parametrize(
    ("elements", "k", "bits"), [(10, 5, 5), (10, 10, 5), (7, 2, 3), (2, 2, 1), (9, 1, 5)]
)
def test_top_k_keeps_equals_in_order(elements: int, k: int, bits: int, bench: KernelBench) -> None:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    rng = np.random.default_rng(6)
    rising = np.linspace(low, high, elements).astype(int)
    values = np.concatenate(
        [np.where(np.eye(elements), high, low), np.where(np.eye(elements), low, high),
         rising[None], rising[None, ::-1], np.full((3, elements), [[low], [high], [0]]),
         rng.integers(max(low, -1), min(high, 1) + 1, (60, elements)),
         rng.integers(low, high + 1, (60, elements))]
    ).astype(np.int64)  # fmt: skip
    kernel = TopKKernel(elements=elements, k=k, element_bits=bits)
    expected = ArgMax(name="top", k=k).run(values)
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(values.reshape(-1, 1), bits),
            expected.size,
            stalls=stalls,
        )
        got = elements_of(result.outputs, 1, kernel.out_bits).reshape(expected.shape)
        assert (got == expected).all()
        if stalls == NO_STALLS:
            assert (steady_intervals(result.out_cycles, k) == kernel.cycles_per_image).all()
            # The first index leaves three cycles behind the first frame's last number.
            assert result.out_cycles[0] - result.in_cycles[0] == elements - 1 + 3


def score_table(classes: int, reach: int, step: int) -> ScoreTable:
    """Ranks of few different floats in no order, so that a wrong address shows."""
    shape = (classes, 2 * reach // step + 1)
    values = np.random.default_rng(classes).integers(-40, 40, shape).astype(np.float32)
    scores = OutputTable(values=values, classes=True, low=-reach, step=step).scores()
    return ScoreTable(name="scores", scores=scores, low=-reach, step=step)


@pytest.mark.parametrize(
    ("classes", "pe", "reach", "step"),
    [
        (10, 1, 16, 2),
        (10, 5, 15, 2),  # accumulators are odd
        (10, 10, 7, 1),
        (6, 3, 16, 1),
        (12, 12, 5, 2),  # memory files of two digits
        (1, 1, 1, 2),
    ],
)
def test_score_table_looks_up_every_accumulator(
    classes: int, pe: int, reach: int, step: int, bench: KernelBench
) -> None:
    node = score_table(classes, reach, step)
    kernel = ScoreTableKernel(node=node, element=signed_type(reach), pe=pe)
    every = np.arange(-reach, reach + 1, step)
    rest = np.random.default_rng(5).choice(every, (80, classes))
    values = np.concatenate([np.tile(every[:, None], (1, classes)), rest])
    for stalls in bench.stalls:
        result = bench.run_kernel(
            kernel,
            beats_of(values.reshape(-1, pe), kernel.element.width_bits),
            len(values) * kernel.cycles_per_image,
            stalls=stalls,
        )
        bits = node.element.width_bits
        got = signed(elements_of(result.outputs, pe, bits), bits).reshape(values.shape)
        assert (got == node.run(values)).all()
        if stalls == NO_STALLS:
            intervals = steady_intervals(result.out_cycles, kernel.cycles_per_image)
            assert (intervals == kernel.cycles_per_image).all()


def test_hex_words_put_bit_0_lowest() -> None:
    bits = np.array([[1, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 1, 1, 1, 0, 0, 0, 0, 0]], np.uint8)
    assert hex_words(bits) == "201\n01e\n"


def test_other_kernels_refuse_impossible_parameters() -> None:
    with pytest.raises(FoldingError, match="PE that divides K=10, got 3"):
        ArgMaxKernel(elements=10, pe=3, element_bits=8)
    for k in (0, 11):
        with pytest.raises(FoldingError, match=f"top_k: wanted k from 1 to 10, got {k}"):
            TopKKernel(elements=10, k=k, element_bits=8)
    with pytest.raises(FoldingError, match="scores: wanted PE that divides K=4, got 3"):
        ScoreTableKernel(node=score_table(4, 2, 1), element=signed_type(2), pe=3)
    with pytest.raises(FoldingError, match="scores: wanted PE up to 1000, got 1001"):
        ScoreTableKernel(node=score_table(1001, 2, 1), element=signed_type(2), pe=1001)
    with pytest.raises(FoldingError, match="depth of at least 2"):
        StreamFifoKernel(width_bits=1, depth_words=1, image_words=1)
    with pytest.raises(FoldingError, match="positive widths"):
        StreamWidthConverterKernel(input_width_bits=0, output_width_bits=1, frame_bits=1)


_LINTED = [
    *(("popcount", {"Width": width}) for width in (1, 2, 3, 4, 7, 100)),
    ("popcount", {"Width": 16, "SumBits": 9}),
    *(
        ("xnor_mvu", {"Pe": pe, "Simd": simd, "Thresholded": t, "BlockRom": block})
        for pe, simd in ((16, 16), (64, 64), (64, 8), (8, 64))
        for t in (0, 1)
        for block in (0, 1)
    ),
    *(("xnor_mvu", {"MatrixHeight": 16 * n, "BlockRom": p}) for n, p in ((3, 2), (7, 3))),
    ("xnor_mvu", {"MatrixWidth": 1, "MatrixHeight": 1, "Pe": 1, "Simd": 1}),
    *(
        ("xnor_mvu", {"OutHeight": 4, "OutWidth": 3, "RowClasses": 3, "ColumnClasses": c, kind: 1})
        for c in (1, 3)
        for kind in ("Thresholded", "Corrected")
    ),
    ("xnor_mvu", {"Groups": 4, "Pe": 4, "Thresholded": 1}),
    *(
        ("integer_mvu", {"Simd": simd, "Signed": signed, "Thresholded": t})
        for simd in (1, 3, 27)
        for signed in (0, 1)
        for t in (0, 1)
    ),
    *(("threshold", {"Pe": pe, "Signed": signed}) for pe in (1, 8) for signed in (0, 1)),
    ("sliding_window", {}),
    ("sliding_window", {"PadTop": 1, "PadLeft": 1, "PadBottom": 1, "PadRight": 1, "BlockRam": 1}),
    (
        "sliding_window",
        {
            "PadLeft": 2,
            "StrideHeight": 3,
            "KernelWidth": 1,
            "Groups": 2,
            "Simd": 2,
            "Depth": 128,
        },
    ),
    *(("pool", {"Lanes": lanes, "KernelWidth": 1}) for lanes in (1, 8)),
    ("pool", {"Sum": 1, "ElementBits": 4, "ResultBits": 6}),
    ("pool", {"InWidth": 1, "InHeight": 1, "OutWidth": 1, "OutHeight": 1, "Lanes": 1}),
    ("pool_window", {"Lanes": 2, "Depth": 64}),
    *(
        (module, {"Max": 1, "Signed": signed, "ElementBits": bits, "ResultBits": bits})
        for module in ("pool", "pool_window")
        for signed, bits in ((0, 8), (1, 5), (0, 1))
    ),
    ("pool_window", {"Sum": 1, "ElementBits": 4, "ResultBits": 8}),
    *(("stream_fifo", {"Depth": depth}) for depth in (2, 5)),
    *(
        ("stream_width_converter", {"InBits": i, "OutBits": o, "FrameBits": f})
        for i, o, f in ((8, 8, 8), (6, 4, 15), (4, 32, 10), (32, 4, 10))
    ),
    *(
        ("score_table", {"Elements": k, "Pe": pe, "Reach": reach, "Step": step})
        for k, pe in ((10, 1), (10, 5), (12, 12), (1, 1))
        for reach, step in ((64, 2), (63, 2), (1, 2), (100, 1))
    ),
    *(("arg_max", {"Elements": k, "Pe": pe}) for k, pe in ((10, 1), (10, 5), (1, 1))),
    *(("top_k", {"Elements": n, "K": k}) for n, k in ((10, 5), (3, 3), (16, 1), (1, 1))),
    *(("resize_elements", {"Elements": 3, "OutBits": bits}) for bits in (6, 8, 16)),
    *(("stream_last", {"Beats": beats}) for beats in (1, 3)),
]


_USED = {
    kernel.module: kernel.submodules
    for kernel in (
        XnorMvuKernel,
        IntegerMvuKernel,
        ThresholdKernel,
        SlidingWindowKernel,
        PoolKernel,
        PoolWindowKernel,
        StreamWidthConverterKernel,
    )
}


@pytest.mark.parametrize(("module", "parameters"), _LINTED)
def test_kernel_has_no_lint_warning(module: str, parameters: dict[str, int]) -> None:
    used = (module, *_USED.get(module, ("stream_contract",)))
    verilator.lint([SV_FOLDER / f"{n}.sv" for n in used], top=module, parameters=parameters)


def test_yosys_reads_every_kernel(tmp_path: Path) -> None:
    for path in SV_FOLDER.glob("*.sv"):
        shutil.copyfile(path, tmp_path / path.name)
    names = " ".join(sorted(path.name for path in tmp_path.glob("*.sv")))
    script = f"read_verilog -sv -defer {names}; hierarchy -check -top stream_width_converter"
    tools.run(
        [tools.find("yosys"), "-q", "-p", script],
        cwd=tmp_path,
        log=tmp_path / "yosys.log",
        timeout_s=120,
    )
