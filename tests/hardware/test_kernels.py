"""Every SystemVerilog kernel against numpy, with and without stalls."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.dataflow import ArgMax, XnorMvu
from bnnedge.errors import FoldingError
from bnnedge.hardware.kernels import (
    SV_FOLDER,
    ArgMaxKernel,
    SignExtendKernel,
    StreamFifoKernel,
    StreamWidthConverterKernel,
    XnorMvuKernel,
    divisors,
    hex_words,
)
from bnnedge.verilated import verilator
from tests.hardware.bench import beats_of, elements_of, run_kernel, signed, steady_intervals
from tests.networks import adversarial_thresholds

STALLS = (0.0, 0.3, 0.7)
# Compiling a model takes a second: few examples, many stimuli in each.
_SETTINGS = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_WIDE = settings(_SETTINGS, max_examples=60)


def adversarial_mvu(mh: int, mw: int, *, thresholded: bool, seed: int = 0) -> XnorMvu:
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 2, (mh, mw), dtype=np.uint8)
    weights[rng.random(mh) < 0.2] = 1
    weights[rng.random(mh) < 0.2] = 0
    return XnorMvu(
        name="fc",
        weights=weights,
        thresholds=adversarial_thresholds(rng, mh, mw) if thresholded else None,
        invert=rng.random(mh) < 0.4 if thresholded else None,
    )


def adversarial_bits(node: XnorMvu, count: int) -> NDArray[np.uint8]:
    """Inputs that some rows match wholly, or not at all, then random ones."""
    rng = np.random.default_rng(1)
    rows = node.weights[rng.integers(node.mh, size=4)]
    special = np.concatenate(
        [rows, 1 - rows, np.ones((1, node.mw), np.uint8), np.zeros((1, node.mw), np.uint8)]
    )
    return np.concatenate([special, rng.integers(0, 2, (count, node.mw), dtype=np.uint8)])


def check_mvu(kernel: XnorMvuKernel, cache: Path) -> None:
    node = kernel.node
    bits = adversarial_bits(node, 20)
    inputs = beats_of(bits.reshape(-1, kernel.simd), 1)
    expected = node.run(bits)
    for stalls in STALLS:
        with tempfile.TemporaryDirectory() as folder:
            result = run_kernel(
                kernel,
                inputs,
                len(bits) * kernel.neuron_folds,
                folder=Path(folder),
                cache=cache,
                stalls=stalls,
            )
        width = kernel.out_bits // kernel.pe
        got = elements_of(result.outputs, kernel.pe, width).reshape(len(bits), node.mh)
        if node.thresholds is None:
            got = signed(got, width)
        assert (got == expected).all()
        if stalls == 0:
            intervals = steady_intervals(result, kernel.neuron_folds)
            assert (intervals == kernel.cycles_per_image).all()


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
    ],
)
def test_mvu_equals_interpreter(
    mh: int, mw: int, pe: int, simd: int, thresholded: bool, cache: Path
) -> None:
    node = adversarial_mvu(mh, mw, thresholded=thresholded)
    check_mvu(XnorMvuKernel(node=node, pe=pe, simd=simd), cache)


@st.composite
def mvu_kernels(draw: st.DrawFn) -> XnorMvuKernel:
    mh, mw = draw(st.integers(1, 48)), draw(st.integers(1, 96))
    pe, simd = draw(st.sampled_from(divisors(mh))), draw(st.sampled_from(divisors(mw)))
    node = adversarial_mvu(mh, mw, thresholded=draw(st.booleans()), seed=draw(st.integers(0, 99)))
    return XnorMvuKernel(node=node, pe=pe, simd=simd)


@given(kernel=mvu_kernels())
@_SETTINGS
def test_mvu_equals_interpreter_for_any_shape_and_folding(
    kernel: XnorMvuKernel, cache: Path
) -> None:
    check_mvu(kernel, cache)


@pytest.mark.slow
@given(kernel=mvu_kernels())
@_WIDE
def test_mvu_equals_interpreter_for_many_shapes(kernel: XnorMvuKernel, cache: Path) -> None:
    check_mvu(kernel, cache)


def check_converter(kernel: StreamWidthConverterKernel, cache: Path) -> None:
    frames = 12
    rng = np.random.default_rng(2)
    in_beats = -(-kernel.frame_bits // kernel.in_bits)
    out_beats = -(-kernel.frame_bits // kernel.out_bits)
    # Bits behind the frame's end are set: they must be dropped, not passed on.
    sent = np.ones((frames, in_beats * kernel.in_bits), np.int64)
    sent[:, : kernel.frame_bits] = rng.integers(0, 2, (frames, kernel.frame_bits))
    expected = np.zeros((frames, out_beats * kernel.out_bits), np.int64)
    expected[:, : kernel.frame_bits] = sent[:, : kernel.frame_bits]
    for stalls in STALLS:
        result = run_kernel(
            kernel,
            beats_of(sent.reshape(-1, kernel.in_bits), 1),
            frames * out_beats,
            folder=cache,
            cache=cache,
            stalls=stalls,
        )
        got = elements_of(result.outputs, kernel.out_bits, 1).reshape(frames, -1)
        assert (got == expected).all()
        if stalls == 0:
            assert (steady_intervals(result, out_beats) == kernel.cycles_per_image).all()


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
    in_bits: int, out_bits: int, frame_bits: int, cache: Path
) -> None:
    kernel = StreamWidthConverterKernel(
        input_width_bits=in_bits, output_width_bits=out_bits, frame_bits=frame_bits
    )
    check_converter(kernel, cache)


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
    kernel: StreamWidthConverterKernel, cache: Path
) -> None:
    check_converter(kernel, cache)


@pytest.mark.parametrize("depth", [2, 3, 16])
def test_fifo_keeps_order_and_full_rate(depth: int, cache: Path) -> None:
    kernel = StreamFifoKernel(width_bits=13, depth_words=depth, frame_words=1)
    values = np.random.default_rng(3).integers(0, 2**13, (300, 1))
    for stalls in STALLS:
        result = run_kernel(
            kernel, beats_of(values, 13), 300, folder=cache, cache=cache, stalls=stalls
        )
        assert (elements_of(result.outputs, 1, 13) == values).all()
        if stalls == 0:
            assert (np.diff(result.out_cycles) == 1).all()


@pytest.mark.parametrize(("elements", "pe"), [(10, 1), (10, 5), (10, 10), (6, 3), (1, 1)])
def test_arg_max_takes_the_lowest_of_ties(elements: int, pe: int, cache: Path) -> None:
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
    for stalls in STALLS:
        result = run_kernel(
            kernel,
            beats_of(values.reshape(-1, pe), bits),
            len(values),
            folder=cache,
            cache=cache,
            stalls=stalls,
        )
        assert (elements_of(result.outputs, 1, kernel.out_bits) == expected).all()
        if stalls == 0:
            assert (steady_intervals(result, 1) == kernel.cycles_per_image).all()


def test_hex_words_put_bit_0_lowest() -> None:
    bits = np.array([[1, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 1, 1, 1, 1, 0, 0, 0, 0, 0]], np.uint8)
    assert hex_words(bits) == "201\n01e\n"


def test_threshold_words_hold_invert_above_threshold() -> None:
    node = XnorMvu(
        name="fc",
        weights=np.array([[1, 0, 1], [0, 0, 1]], np.uint8),
        thresholds=np.array([4, 1], np.int32),
        invert=np.array([True, False]),
    )
    memories = XnorMvuKernel(node=node, pe=2, simd=3, memory_prefix="mem/0_").memories
    # Elements of 4 bits: {invert, T[2:0]}; weights 101 (row 0) below 100 (row 1), bit 0 first.
    assert memories == {"mem/0_weights.mem": "25\n", "mem/0_thresholds.mem": "1c\n"}


@pytest.mark.parametrize(
    ("pe", "simd", "text"),
    [
        (4, 1, "fc: wanted PE that divides MH=6, got 4 — choose one of 1, 2, 3, 6"),
        (1, 0, "fc: wanted SIMD that divides MW=4, got 0 — choose one of 1, 2, 4"),
    ],
)
def test_mvu_refuses_folding_that_does_not_divide(pe: int, simd: int, text: str) -> None:
    with pytest.raises(FoldingError) as caught:
        XnorMvuKernel(node=adversarial_mvu(6, 4, thresholded=False), pe=pe, simd=simd)
    assert str(caught.value) == text


def test_other_kernels_refuse_impossible_parameters() -> None:
    with pytest.raises(FoldingError, match="PE that divides 10, got 3"):
        ArgMaxKernel(elements=10, pe=3, element_bits=8)
    with pytest.raises(FoldingError, match="depth of at least 2"):
        StreamFifoKernel(width_bits=1, depth_words=1, frame_words=1)
    with pytest.raises(FoldingError, match="at most 8 bits, got 9"):
        SignExtendKernel(elements=1, in_bits=9, out_bits=8, signed=True)
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
    ("xnor_mvu", {"MatrixWidth": 1, "MatrixHeight": 1, "Pe": 1, "Simd": 1}),
    *(("stream_fifo", {"Depth": depth}) for depth in (2, 5)),
    *(
        ("stream_width_converter", {"InBits": i, "OutBits": o, "FrameBits": f})
        for i, o, f in ((8, 8, 8), (6, 4, 15), (4, 32, 10), (32, 4, 10))
    ),
    *(("arg_max", {"Elements": k, "Pe": pe}) for k, pe in ((10, 1), (10, 5), (1, 1))),
    *(("sign_extend", {"Elements": 3, "OutBits": bits}) for bits in (8, 16)),
    *(("stream_last", {"Beats": beats}) for beats in (1, 3)),
]


@pytest.mark.parametrize(("module", "parameters"), _LINTED)
def test_kernel_has_no_lint_warning(module: str, parameters: dict[str, int]) -> None:
    others = sorted(path for path in SV_FOLDER.glob("*.sv") if path.stem != module)
    used = {"xnor_mvu": ("popcount", "stream_contract")}.get(module, ("stream_contract",))
    sources = [path for path in others if path.stem in used]
    verilator.lint([SV_FOLDER / f"{module}.sv", *sources], top=module, parameters=parameters)


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
