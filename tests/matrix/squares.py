"""What every node must have, and how one case of it is held against `run`."""

import ast
import dataclasses
import math
from collections.abc import Callable, Mapping
from enum import Enum
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow
from bnnedge.emulator import Emulator
from bnnedge.emulator.library import supported
from bnnedge.hardware.fifos import operand_pixels
from bnnedge.hardware.kernels import Kernel, kernel_for
from bnnedge.verilated.stalls import NO_STALLS
from tests.hardware.bench import (
    KernelBench,
    RtlBench,
    bits_of,
    elements_of,
    signed,
    steady_intervals,
)
from tests.hls.bench import HlsBench
from tests.matrix.cases import Case

_IMAGES = 40
_FINN_TESTS = Path(__file__).parents[1] / "finn_backend"


class Square(Enum):
    """A column of the matrix."""

    NUMPY = "numpy"
    RECORD = "record"
    SYSTEMVERILOG = "SystemVerilog"
    HLS = "HLS C++"
    EMULATOR = "emulator"
    FINN = "FINN"
    FIFO = "FIFO rule"
    FOLDING = "folding rule"


_HARDWARE = (Square.SYSTEMVERILOG, Square.HLS, Square.FOLDING)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where squares compile."""

    folder: Path
    cache: Path


_ABSENT = "there is none: "


def check(square: Square, case: Case, place: Place) -> None:
    """Raises AssertionError that names node and square, unless it is right or not wanted."""
    reason = answer(square, case)
    if reason.startswith(_ABSENT):
        return
    try:
        _CHECKS[square](case, place)
    except Exception as error:
        what = f"{type(case.node).__name__} x {square.value}"
        raise AssertionError(f"{what}: {str(error) or type(error).__name__}") from error


def answer(square: Square, case: Case) -> str:
    """Why a node does without a square, beginning with "there is none: "; else anything."""
    if square is Square.FINN:
        return case.finn
    if square in _HARDWARE and case.node.is_wire(*case.befores):
        return f"{_ABSENT}the output is the input, word for word"
    return ""


def _numpy(case: Case, place: Place) -> None:
    inputs, result = case.example
    values = case.node.run(*(np.array([one], _dtype(case)) for one in inputs))
    assert values[0].tolist() == result
    stream = case.node.output_stream(*case.befores)
    values = _wanted(case)
    assert values.shape[1:] == stream.shape
    low, high = (0, 1) if stream.element.bipolar else (stream.element.least, stream.element.most)
    assert low <= values.min() <= values.max() <= high


def _record(case: Case, place: Place) -> None:
    """What is saved and loaded has the same fields, and runs as before."""
    dataflow = case.network
    dataflow.save(place.folder)
    loaded = Dataflow.load(place.folder)
    for node, again in zip(dataflow.nodes, loaded.nodes, strict=True):
        for field in dataclasses.fields(node):
            values = (getattr(each, field.name) for each in (node, again))
            assert np.array_equal(*values), field.name
    x = _images(dataflow)
    assert np.array_equal(loaded.run(x), dataflow.run(x))


def _systemverilog(case: Case, place: Place) -> None:
    assert np.array_equal(_run(case, RtlBench(place.cache))[0], _wanted(case))


def _hls(case: Case, place: Place) -> None:
    assert np.array_equal(_run(case, HlsBench(place.cache))[0], _wanted(case))


def _emulator(case: Case, place: Place) -> None:
    """Classes are found from the float outputs, in place of nodes that find them."""
    dataflow = case.network
    x = _images(dataflow)
    run = Emulator(dataflow, 1, instructions=supported()[0])
    assert np.array_equal(run(x), dataflow.run(x))


def _finn(case: Case, place: Place) -> None:
    """The test of it, which needs FINN itself, is there."""
    file, _, name = case.finn.partition("::")
    tree = ast.parse((_FINN_TESTS / file).read_text(encoding="utf-8"))
    assert name in {part.name for part in tree.body if isinstance(part, ast.FunctionDef)}


def _fifo(case: Case, place: Place) -> None:
    """Every pixel needs those up to the last that changes it, and waits for its turn."""
    inputs = case.inputs(_IMAGES)
    before = case.node.run(*inputs)
    for operand, stream in enumerate(case.befores):
        first = [np.ones(one.shape[:-1], np.int64) for one in case.befores]
        first[operand] = np.arange(1, stream.pixels + 1).reshape(stream.shape[:-1])
        changed = list(inputs)
        needed = np.ones(math.prod(before.shape[1:-1]), np.int64)
        for pixel in range(stream.pixels):
            values = inputs[operand].reshape(_IMAGES, stream.pixels, -1).copy()
            other = case.inputs(_IMAGES, seed=pixel + 1)[operand]
            values[:, pixel] = other.reshape(values.shape)[:, pixel]
            changed[operand] = values.reshape(inputs[operand].shape)
            differs = (case.node.run(*changed) != before).any(axis=(0, -1)).reshape(-1)
            needed[differs] = pixel + 1
        assert np.array_equal(
            case.node.pixels_needed(*first).reshape(-1), np.maximum.accumulate(needed)
        )
    if case.node.arity > 1:
        assert min(operand_pixels(case.network, case.node)) > 0


def _folding(case: Case, place: Place) -> None:
    """With any fold, words hold all elements, and none is faster than the last; cycles are true."""
    rule, after = kernel_for(case.node), case.node.output_stream(*case.befores)
    kernels = {}
    for fold in rule.folds(case.node, case.befores):
        kernel = kernels[fold] = rule.of(case.node, case.befores, fold)
        frames = set()
        for stream, width, taken in zip(
            case.befores, kernel.widths_in, kernel.frame.taken, strict=True
        ):
            assert width // fold.simd >= stream.element.width_bits and not width % fold.simd
            frames.add(Fraction(stream.elements, fold.simd * taken))
        (count,) = frames
        bits = count * kernel.frame.given[0] * kernel.widths_out[0]
        assert bits == after.elements * after.element.width_bits, fold
    assert [*kernels.values()][-1].cycles_per_image == min(
        kernel.cycles_per_image for kernel in kernels.values()
    )
    kernel = _kernel(case)
    assert (_run(case, RtlBench(place.cache))[1] == kernel.cycles_per_image).all()


def _dtype(case: Case) -> type[np.generic]:
    return np.uint8 if case.element.bipolar else np.int64


def _images(dataflow: Dataflow) -> NDArray[np.float32]:
    shape = (_IMAGES, *dataflow.input.input_shape)
    return np.random.default_rng(2).integers(-4, 4, shape).astype(np.float32)


def _wanted(case: Case) -> NDArray[np.int64]:
    """What `run` makes of the case's images."""
    return case.node.run(*case.inputs(_IMAGES)).astype(np.int64)


def _kernel(case: Case) -> Kernel:
    """With neither the fewest nor the most elements in a word, if there is a choice."""
    rule = kernel_for(case.node)
    folds = rule.folds(case.node, case.befores)
    return rule.of(case.node, case.befores, folds[len(folds) // 2])


def _run(case: Case, bench: KernelBench) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the kernel makes of the case's images, and the cycles between images that it took."""
    kernel, after = _kernel(case), case.node.output_stream(*case.befores)
    words = [
        bits_of(values.astype(np.int64).reshape(-1), stream.element.width_bits).reshape(-1, width)
        for values, stream, width in zip(
            case.inputs(_IMAGES), case.befores, kernel.widths_in, strict=True
        )
    ]
    bits = after.element.width_bits
    lanes = kernel.widths_out[0] // bits
    beats = _IMAGES * after.elements // lanes
    (flat,), result = bench.run_branches(kernel, words, beats, stalls=NO_STALLS)
    outputs = np.packbits(flat, axis=1, bitorder="little")
    values = elements_of(outputs, lanes, bits).reshape(_IMAGES, *after.shape)
    intervals = steady_intervals(result.out_cycles, beats // _IMAGES)
    return signed(values, bits) if after.element.signed else values, intervals


_CHECKS: Mapping[Square, Callable[[Case, Place], None]] = {
    Square.NUMPY: _numpy,
    Square.RECORD: _record,
    Square.SYSTEMVERILOG: _systemverilog,
    Square.HLS: _hls,
    Square.EMULATOR: _emulator,
    Square.FINN: _finn,
    Square.FIFO: _fifo,
    Square.FOLDING: _folding,
}
