"""The emulator gives the integers of `Dataflow.run`, whatever runs it."""

import dataclasses
import functools
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bnnedge import tools
from bnnedge.cli import main
from bnnedge.dataflow import Add, Dataflow
from bnnedge.emulator import Emulator, Instructions, emulator, library
from bnnedge.errors import (
    BnnEdgeError,
    BnnEdgeWarning,
    ConfigError,
    DataError,
    MismatchError,
    ToolFailedError,
    ToolMissingError,
)
from tests.networks import (
    random_conv,
    random_inputs,
    random_mlp,
    random_residual,
    with_class_scales,
)
from tests.networks.chains import random_chain
from tests.networks.emulated import (
    cnv,
    few_bits,
    forks,
    inputs_of,
    padded_conv,
    quantised_pixels,
    wide_pixels,
)
from tests.networks.luts import lut_network

# A block of AVX2 is 64 images: one more, and three.
IMAGES = 67

NETWORKS: dict[str, Callable[[], Dataflow]] = {
    "tfc": lambda: random_mlp((784, 64, 64, 64, 10)),
    "sfc": lambda: random_mlp((784, 256, 256, 256, 10)),
    "lfc": lambda: random_mlp((784, 1024, 1024, 1024, 10)),
    "odd widths": lambda: random_mlp((100, 33, 70, 129, 7), seed=1),
    "narrow": lambda: random_mlp((3, 1, 2), seed=2),
    "classes": lambda: random_mlp((65, 40, 10), seed=3, classes=True),
    "class scales": lambda: with_class_scales(random_mlp((20, 12, 6), seed=4), seed=4),
    "top 3": lambda: with_class_scales(random_mlp((20, 12, 6), seed=5), seed=5, k=3),
    "conv": random_conv,
    "residual": random_residual,
    "forks": lambda: forks(0, 3),
    "forks of words": lambda: forks(1, 64),
    "tables": lambda: lut_network(0, shape=(1, 1, 70)),
    "tables of pixels": lambda: lut_network(1, shape=(3, 4, 70), layers=3),
    "tables of words": lambda: lut_network(4, shape=(2, 2, 64), each=64),
    "few bits": lambda: few_bits(1, pixels=True),
    "ternary": lambda: few_bits(8, pixels=False),
    "16 bits": wide_pixels,
    "16 bits, signed": lambda: wide_pixels(signed=True),
    "uneven steps": quantised_pixels,
    "narrow cnv": lambda: cnv((8, 16, 24), dense=40),
}


@functools.cache
def wanted(name: str) -> tuple[Dataflow, np.ndarray, np.ndarray, np.ndarray]:
    """A network, inputs, and what its interpreter says of them: result and accumulators."""
    dataflow = NETWORKS[name]()
    x = inputs_of(dataflow, IMAGES)
    if x.ndim == 2:
        x[: IMAGES // 2] = random_inputs(dataflow, IMAGES // 2)
    return dataflow, x, dataflow.run(x), dataflow.accumulators(x)


def slice_everything(monkeypatch: pytest.MonkeyPatch, instructions: Instructions) -> None:
    """Let slices run whatever they can, batches of any size."""
    monkeypatch.setattr(emulator, "_FEW_IMAGES", 0)
    first, *_, last = library.VARIANTS[instructions]
    variants = (first, dataclasses.replace(last, least=1))
    monkeypatch.setitem(library.VARIANTS, instructions, variants)


@pytest.fixture(
    params=[
        *(chosen for chosen in Instructions if chosen is not Instructions.NEON),
        "avx512, sliced",
        "avx2, sliced",
    ]
)
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Instructions:
    name, _, sliced = request.param.partition(", ")
    chosen = Instructions(name)
    if chosen not in (Instructions.NUMPY, *library.supported()):
        pytest.skip(f"this processor has no {chosen.value}")
    if sliced:
        slice_everything(monkeypatch, chosen)
    return chosen


@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_interpreter(name: str, instructions: Instructions) -> None:
    dataflow, x, result, accumulators = wanted(name)
    run = Emulator(dataflow, 1, instructions=instructions)
    assert run.instructions == instructions
    for count in (IMAGES, 1):
        answer = run(x[:count])
        assert answer.dtype == np.int64
        assert np.array_equal(answer, result[:count])
    assert np.array_equal(run.accumulators(x), accumulators)
    assert np.array_equal(run.predict(x), dataflow.classify(x))


@pytest.mark.parametrize("seed", range(12))
def test_random_chains(seed: int, instructions: Instructions) -> None:
    dataflow = random_chain(seed)
    x = inputs_of(dataflow, 5, seed=seed)
    assert np.array_equal(Emulator(dataflow, 1, instructions=instructions)(x), dataflow.run(x))


@pytest.mark.parametrize("seed", range(8))
def test_chains_with_magnitudes(seed: int, instructions: Instructions) -> None:
    for dataflow in (
        random_chain(seed, magnitudes=8),
        few_bits(seed, pixels=seed % 2 > 0),
        padded_conv(seed, 0, exact_zeros=True, magnitudes=1),
    ):
        x = inputs_of(dataflow, 5, seed=seed)
        run = Emulator(dataflow, 1, instructions=instructions)
        assert np.array_equal(run(x), dataflow.run(x))
        assert np.array_equal(run.accumulators(x), dataflow.accumulators(x))


@pytest.mark.parametrize("fill", [0, 1])
@pytest.mark.parametrize("exact_zeros", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_padding(seed: int, fill: int, exact_zeros: bool, instructions: Instructions) -> None:
    dataflow = padded_conv(seed, fill, exact_zeros=exact_zeros)
    x = inputs_of(dataflow, 5, seed=seed)
    assert np.array_equal(Emulator(dataflow, 1, instructions=instructions)(x), dataflow.run(x))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 250))
def test_fuzz(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    if seed % 2:
        slice_everything(monkeypatch, Instructions.AVX512)
        slice_everything(monkeypatch, Instructions.AVX2)
    networks = [
        random_chain(seed),
        random_conv(seed=seed),
        random_residual(seed=seed),
        forks(seed, int(rng.choice([1, 7, 64, 70]))),
        padded_conv(seed, seed % 2, exact_zeros=bool(seed & 2)),
        lut_network(seed, layers=int(rng.integers(1, 4))),
        random_chain(seed, magnitudes=8),
        few_bits(seed, pixels=bool(seed & 4)),
        padded_conv(seed, 0, exact_zeros=bool(seed & 2), magnitudes=1),
        random_mlp(tuple(int(n) for n in rng.integers(1, 200, 4)), seed=seed),
    ]
    for dataflow in networks:
        x = inputs_of(dataflow, int(rng.integers(1, 150)), seed=seed)
        result = dataflow.run(x)
        for instructions in (*library.supported(), Instructions.NUMPY):
            run = Emulator(dataflow, int(rng.integers(1, 4)), instructions=instructions)
            assert np.array_equal(run(x), result), (dataflow.name, instructions)


@pytest.mark.slow
def test_cnv(instructions: Instructions) -> None:
    dataflow = cnv()
    x = inputs_of(dataflow, IMAGES)
    assert np.array_equal(Emulator(dataflow, instructions=instructions)(x), dataflow.run(x))


@pytest.mark.smoke
@pytest.mark.parametrize("threads", [1, 2, 3, None])
def test_batches_of_any_size_on_any_threads(
    threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "_THREAD_WORK", 1)
    dataflow, _, _, _ = wanted("odd widths")
    run = Emulator(dataflow, threads)
    x = inputs_of(dataflow, 1000)
    result = dataflow.run(x)
    for count in (0, 1, 2, 4, 5, 8, 9, 63, 64, 65, 128, 255, 256, 257, 513, 768, 999, 1000):
        assert np.array_equal(run(x[:count]), result[:count])


def test_batches_longer_than_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "_CALL_IMAGES", 10)
    dataflow, x, result, _ = wanted("classes")
    run = Emulator(dataflow)
    assert np.array_equal(run(x), result)
    assert np.array_equal(run(x.astype(np.float64)), result)


def test_memory_does_not_grow_with_the_batch() -> None:
    dataflow = random_mlp((16, 8, 3))
    run = Emulator(dataflow, 1)
    x = np.zeros((300_000, 16), np.uint8)
    tracemalloc.start()
    out = run(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes + (4 << 20)


def test_calls_from_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "_THREAD_WORK", 1)
    dataflow, x, result, _ = wanted("tfc")
    run = Emulator(dataflow, 2)
    wrong: list[int] = []

    def call(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(50):
            part = rng.integers(0, IMAGES, int(rng.integers(1, 300)))
            if not np.array_equal(run(x[part]), result[part]):
                wrong.append(seed)

    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.parametrize("name", ["odd widths", "conv", "uneven steps", "16 bits"])
def test_every_kind_of_array(name: str, instructions: Instructions) -> None:
    dataflow = wanted(name)[0]
    run = Emulator(dataflow, instructions=instructions)
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 256, (20, *dataflow.input.input_shape))
    kinds = [np.uint8, np.int64, np.float64, np.float16, np.dtype(">f4"), np.int32]
    for x in [*(numbers.astype(kind) for kind in kinds), numbers > 128]:
        assert np.array_equal(run(x), dataflow.run(x))
    x = numbers.astype(np.float32)
    x.setflags(write=False)
    assert np.array_equal(run(x[::2]), dataflow.run(x[::2]))
    assert np.array_equal(run(x[:3].tolist()), dataflow.run(x[:3]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((2, 99)),
        np.zeros(100),
        np.zeros((1, 100, 1)),
        np.zeros(()),
        np.full((3, 100), "1"),
        np.zeros((3, 100), np.complex64),
        np.where(np.arange(200) == 150, np.nan, 0).reshape(2, 100).astype(np.float32),
        np.where(np.arange(900) == 899, np.nan, 0).reshape(9, 100),
    ],
)
def test_errors_are_the_interpreters(x: np.ndarray, instructions: Instructions) -> None:
    dataflow = wanted("odd widths")[0]
    run = Emulator(dataflow, instructions=instructions)
    with pytest.raises(DataError) as expected:
        dataflow.run(x)
    with pytest.raises(DataError) as raised:
        run(x)
    assert str(raised.value) == str(expected.value)


def half_masked(mw: int) -> Dataflow:
    dataflow = random_mlp((mw, 6, 2))
    first, last = dataflow.mvus
    mask = np.ones((6, mw), np.uint8)
    mask[:3, ::7], mask[5] = 0, np.arange(mw) < 2
    thresholds = np.array([0, mw // 2, mw + 1, mw // 2, mw, 2])
    first = dataclasses.replace(first, magnitudes=mask, thresholds=thresholds)
    return dataclasses.replace(dataflow, nodes=(first, last))


def test_counts_that_are_too_large_for_avx2() -> None:
    """Those of masked columns are counted twice."""
    if Instructions.AVX2 not in library.supported():
        pytest.skip("this processor has no avx2")
    plain = [random_mlp((mw, 6, 2)) for mw in (32767, 32768)]
    for dataflow in (*plain, *map(half_masked, (16383, 16384, 20000))):
        run = Emulator(dataflow, instructions=Instructions.AVX2)
        x = random_inputs(dataflow, 30)
        assert np.array_equal(run(x), dataflow.run(x))


@pytest.mark.parametrize("factor", [1 << 26, 1 << 40])
def test_integers_around_32_bits(factor: int) -> None:
    dataflow = forks(0, 3)
    nodes = tuple(
        dataclasses.replace(node, factors=(factor, -1)) if isinstance(node, Add) else node
        for node in dataflow.nodes
    )
    dataflow = dataclasses.replace(dataflow, nodes=nodes)
    run = Emulator(dataflow)
    widest = max(stream.element.width_bits for stream in dataflow.streams().values())
    assert (run.instructions == Instructions.NUMPY) == (widest > 32)
    x = inputs_of(dataflow, IMAGES)
    assert np.array_equal(run(x), dataflow.run(x))


_PROCESS = """
import sys
from pathlib import Path
from bnnedge import tools
from bnnedge.emulator import Emulator
from tests.networks import random_inputs, random_mlp
tools.cache_dir = lambda: Path(sys.argv[1])
dataflow = random_mlp((20, 8, 3))
x = random_inputs(dataflow, 30)
assert (Emulator(dataflow)(x) == dataflow.run(x)).all()
"""


@pytest.mark.slow
def test_processes_share_what_they_compile(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PROCESS, str(tmp_path)]
    root = Path(__file__).parents[2]
    processes = [subprocess.Popen(command, cwd=root) for _ in range(3)]
    assert [process.wait(timeout=300) for process in processes] == [0, 0, 0]
    (library_folder,) = (tmp_path / "emulator").iterdir()
    assert [path.name for path in library_folder.iterdir()] == ["engine.so"]


def test_threads_are_positive() -> None:
    with pytest.raises(ConfigError, match="wanted 1 or more threads, got 0"):
        Emulator(random_mlp((4, 2)), 0)


@pytest.fixture
def no_engine() -> Iterator[None]:
    """The engine is not loaded yet, nor is a warning said."""
    cached = (library.load, library.supported, emulator._say_slow)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.usefixtures("no_engine")
def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise ToolMissingError(f"{name} was not found", remedy="apt install g++")

    monkeypatch.setattr(tools, "version", missing)
    dataflow, x, result, _ = wanted("conv")
    with pytest.warns(BnnEdgeWarning) as said:
        runs = [Emulator(dataflow) for _ in range(2)]
    assert [run.instructions for run in runs] == [Instructions.NUMPY] * 2
    assert np.array_equal(runs[0](x), result)
    (warning,) = said
    assert "the emulator runs in numpy" in str(warning.message)
    assert "apt install g++" in str(warning.message)
    with pytest.raises(ToolMissingError):
        Emulator(dataflow, instructions=Instructions.PORTABLE)


@pytest.mark.usefixtures("no_engine")
def test_the_command_says_that_there_is_no_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> str:
        raise ToolMissingError(f"{name} was not found", remedy="apt install g++")

    monkeypatch.setattr(tools, "version", missing)
    dataflow, x, result, _ = wanted("classes")
    dataflow.save(tmp_path)
    np.save(tmp_path / "x.npy", x)
    paths = [str(tmp_path), "--inputs", str(tmp_path / "x.npy"), "-o", str(tmp_path / "y.npy")]
    done = CliRunner().invoke(main, ["emulate", *paths])
    assert done.exit_code == 0
    assert "bnnedge: the emulator runs in numpy" in done.stderr
    assert np.array_equal(np.load(tmp_path / "y.npy"), result)


@pytest.mark.usefixtures("no_engine")
def test_a_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tools, "cache_dir", lambda: tmp_path / "file")
    with pytest.raises(BnnEdgeError, match="cannot write to the cache .*emulator"):
        Emulator(random_mlp((4, 2)))


@pytest.mark.usefixtures("no_engine")
def test_a_damaged_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tools, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(tools, "run", lambda argv, **_: Path(argv[-1]).write_text("no library"))
    with pytest.raises(ToolFailedError, match="cannot load the compiled emulator"):
        Emulator(random_mlp((4, 2)))


VARIANTS = [
    (instructions, variant)
    for instructions, variants in library.VARIANTS.items()
    for variant in variants
    if instructions is not Instructions.NEON
]


@pytest.mark.parametrize(
    ("instructions", "variant"), VARIANTS, ids=[f"{set_}, {each.name}" for set_, each in VARIANTS]
)
def test_a_wrong_kernel_is_found(
    monkeypatch: pytest.MonkeyPatch, instructions: Instructions, variant: library.Variant
) -> None:
    if instructions not in library.supported():
        pytest.skip(f"this processor has no {instructions.value}")
    plan = emulator.ExecutionPlan

    class WrongPlan(plan):  # type: ignore[misc, valid-type]
        def _op(self, *args: Any, weights: np.ndarray, **fields: Any) -> None:
            wrong = self._variant is variant
            super()._op(*args, weights=weights ^ 16 if wrong else weights, **fields)

    monkeypatch.setattr(emulator, "ExecutionPlan", WrongPlan)
    with pytest.raises(MismatchError, match=f"compiled for {variant.name}, differs"):
        Emulator(random_mlp((100, 33, 10)), instructions=instructions)
