"""The emulator: a Dataflow's plan, its threads and its memory."""

import ctypes
import functools
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import Dataflow, LutLayer
from bnnedge.dataflow.arrays import as_array
from bnnedge.dataflow.nodes.arg_max import largest_indices
from bnnedge.emulator import library
from bnnedge.emulator.library import VARIANTS, Instructions, Variant
from bnnedge.emulator.packed import PackedInterpreter
from bnnedge.emulator.plan import ExecutionPlan, counts_fit, executable
from bnnedge.equality import check_equal, edge_inputs
from bnnedge.errors import BnnEdgeWarning, ConfigError, MismatchError, ToolMissingError

_CALL_IMAGES = 1 << 16  # between two chances to stop
_CONVERTED_ELEMENTS = 1 << 24  # of inputs that are converted to float32, at a time
_THREAD_WORK = 1 << 26  # pairs of a weight and an input; fewer are not worth a thread
_PROBES = 8  # inputs that check an engine
_FEW_IMAGES = 8  # up to here what surrounds a call matters
_DIRECT = {np.dtype(np.float32): 0, np.dtype(np.uint8): 1, np.dtype(np.bool_): 1}


class Emulator:
    """Runs a Dataflow: the same integers as `Dataflow.run`.

    Calls from several threads are fine.

    Attributes:
        dataflow: the network.
        threads: most threads of a call.
        instructions: the instruction set in use.
    """

    def __init__(
        self,
        dataflow: Dataflow,
        threads: int | None = None,
        *,
        instructions: Instructions | None = None,
    ) -> None:
        """Plan the network, and check the plan on a few inputs.

        Args:
            dataflow: the network.
            threads: most threads of a call; default: as many as this process may use.
            instructions: the instruction set; default: the fastest.

        Raises:
            ConfigError: fewer than one thread.
            ToolMissingError: this processor does not have `instructions`.
            ToolFailedError, BnnEdgeError: the engine cannot be compiled, or not be kept.
            MismatchError: the engine, as compiled here, differs from `Dataflow.run`.
        """
        self.dataflow = dataflow
        if threads is not None and threads < 1:
            raise ConfigError(f"emulator: wanted 1 or more threads, got {threads}")
        self.threads = threads or len(os.sched_getaffinity(0))
        self._shape = dataflow.input.input_shape
        self._classes = len(dataflow.output.values)
        chosen = _choose(instructions) if executable(dataflow) else Instructions.NUMPY
        self.instructions = chosen
        self._work = _work(dataflow)
        self._engines: tuple[_Engine, ...] = ()
        if chosen == Instructions.NUMPY:
            self._interpreter = PackedInterpreter(dataflow)
        else:
            engines = [
                _Engine(dataflow, variant)
                for variant in VARIANTS[chosen]
                if counts_fit(dataflow, variant)
            ]
            self._engines = tuple(engine for engine in engines if engine.fits)
        self._check()

    def __call__(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """The network's integer result, exactly `Dataflow.run`.

        Args:
            x: (N, *input.input_shape), what the original graph takes, any real dtype; float32 and
                uint8 are the quickest.

        Returns:
            Accumulators (N, K), or classes where the original graph ends in top-k: (N,) for k = 1,
            else (N, k), the first one first; int64.

        Raises:
            DataError: wrong shape, not numbers, or NaN.
        """
        output = self.dataflow.output
        if not output.classes:
            return self._run(x, 0)
        classes = self._run(x, output.k)
        return classes[:, 0] if output.k == 1 else classes

    def accumulators(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Inputs (N, *input.input_shape) → accumulators (N, K), as `Dataflow.accumulators`."""
        return self._run(x, 0)

    def predict(self, x: NDArray[Any]) -> NDArray[np.int64]:
        """Inputs (N, *input.input_shape) → the first class (N,), as `Dataflow.classify`."""
        return self._run(x, 1)[:, 0]

    def _run(self, x: NDArray[Any], top: int) -> NDArray[np.int64]:
        """Accumulators (N, K) for `top` = 0, else classes (N, top)."""
        if type(x) is not np.ndarray:
            x = as_array(x)
        if x.shape[1:] != self._shape or x.ndim == 0 or x.dtype.kind not in "biuf":
            self.dataflow.encode(x)  # raises
        self.dataflow.meaning.check(x)
        if self.dataflow.input.declared is not None:
            self.dataflow.input.check(x)
        if not self._engines:
            accumulators = self._interpreter.accumulators(x)
            if not top:
                return accumulators
            return largest_indices(self.dataflow.output.logits(accumulators), top)
        count = len(x)
        kind = _DIRECT.get(x.dtype)
        if kind is not None and count <= _FEW_IMAGES:
            bad, few = self._engines[0].run_few(x, kind, top)
            if bad >= 0:
                self.dataflow.encode(x[bad : bad + 1])  # raises
            return few
        out = np.empty((count, top or self._classes), np.int64)
        for engine, start, stop in self._parts(count):
            part = np.ascontiguousarray(x[start:stop])
            if kind is None:
                part = part.astype(np.float32)
            threads = max(1, min(self.threads, len(part) * self._work // _THREAD_WORK))
            bad = engine.run(part, kind or 0, top, threads, out[start:stop])
            if bad >= 0:
                self.dataflow.encode(part[bad : bad + 1])  # raises
        return out

    def _parts(self, count: int) -> Iterator[tuple["_Engine", int, int]]:
        """Which engine runs which images: blocks that are full, or full enough, and the rest."""
        most = max(1, _CONVERTED_ELEMENTS // self.dataflow.input.elements)
        step = min(max(most, self._engines[-1].lanes), _CALL_IMAGES)
        start = 0
        while start < count:
            left = min(count - start, step)
            engine = next(each for each in reversed(self._engines) if each.least <= left)
            rest = left % engine.lanes
            stop = start + (left if rest >= engine.least else left - rest)
            yield engine, start, stop
            start = stop

    def _check(self) -> None:
        """Compare a few inputs, in every lane, with the interpreter."""
        probes = edge_inputs(self.dataflow.input, _PROBES, seed=0)
        wanted = self.dataflow.accumulators_of(self.dataflow.input.encode(probes))
        for engine in self._engines:
            times = -(-(engine.lanes + 1) // len(probes))
            got = np.empty((times * len(probes), self._classes), np.int64)
            bad = engine.run(np.tile(probes, (times, *[1] * len(self._shape))), 0, 0, 1, got)
            subject = f"{self.dataflow.name}: the emulator, compiled for {engine.name},"
            remedy = "use Dataflow.run, and another compiler"
            if bad >= 0:
                raise MismatchError(f"{subject} takes no input {bad}", remedy=remedy)
            check_equal(np.tile(wanted, (times, 1)), got, subject=subject, remedy=remedy)


class _Engine:
    """A plan for one variant, and the memory that calls take turns with."""

    def __init__(self, dataflow: Dataflow, variant: Variant) -> None:
        self.name = variant.name
        self.lanes = variant.lanes
        self.least = variant.least
        self._plan = ExecutionPlan(dataflow, variant)
        self._input_shape = dataflow.input.input_shape
        self._classes = len(dataflow.output.values)
        self._free: list[_Memory] = []
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        signature = ctypes.CFUNCTYPE(
            integer, pointer, pointer, integer, integer, integer, pointer, pointer, pointer
        )
        self._call = signature((f"bnnedge_run_{variant.name}", library.load()))
        self._address = self._plan.address
        self.fits = self._plan.fits

    def run_few(self, x: NDArray[Any], kind: int, top: int) -> tuple[int, NDArray[np.int64]]:
        """Up to `_FEW_IMAGES` inputs → what `run` returns, and what it writes; little overhead."""
        count = len(x)
        memory = self._take()
        memory.inputs[kind][:count] = x
        at = memory.inputs_at[kind]
        bad = self._call(self._address, at, kind, count, top, memory.answers_at, memory.arena, None)
        width = top or self._classes
        out = memory.answers[: count * width].copy()
        self._free.append(memory)
        return bad, out.reshape(count, width)

    def run(
        self, x: NDArray[Any], kind: int, top: int, threads: int, out: NDArray[np.int64]
    ) -> int:
        """Write accumulators, or `top` classes, of contiguous inputs (N, …) into `out` (N, ·).

        Returns:
            An image that holds a NaN, or -1.
        """
        counter = ctypes.c_int64(0)
        arguments = (self._address, x.ctypes.data, kind, len(x), top, out.ctypes.data)
        memories = [self._take() for _ in range(threads)]
        found = [-1] * threads

        def work(index: int) -> None:
            arena = memories[index].arena
            found[index] = self._call(*arguments, arena, ctypes.addressof(counter))

        helpers = [threading.Thread(target=work, args=(index,)) for index in range(1, threads)]
        for helper in helpers:
            helper.start()
        work(0)
        for helper in helpers:
            helper.join()
        self._free += memories
        return max(found)

    def _take(self) -> "_Memory":
        try:
            return self._free.pop()
        except IndexError:
            return _Memory(self._plan.arena_bytes, self._input_shape, self._classes)


class _Memory:
    """What one thread writes to.

    Attributes:
        arena: address of the streams of a block of images.
        inputs: (`_FEW_IMAGES`, *input shape) of each kind that the engine takes.
        inputs_at: their addresses.
        answers: for as many images.
        answers_at: its address.
    """

    def __init__(self, arena_bytes: int, input_shape: tuple[int, ...], classes: int) -> None:
        self._bytes = np.zeros(arena_bytes + 64, np.uint8)
        self.arena = -(-int(self._bytes.ctypes.data) // 64) * 64
        shape = (_FEW_IMAGES, *input_shape)
        self.inputs = (np.zeros(shape, np.float32), np.zeros(shape, np.uint8))
        self.inputs_at = tuple(int(array.ctypes.data) for array in self.inputs)
        self.answers = np.zeros(_FEW_IMAGES * classes, np.int64)
        self.answers_at = int(self.answers.ctypes.data)


def _choose(instructions: Instructions | None) -> Instructions:
    if instructions == Instructions.NUMPY:
        return instructions
    try:
        supported = library.supported()
    except ToolMissingError as error:
        if instructions is not None:
            raise
        _say_slow(str(error))
        return Instructions.NUMPY
    if instructions is None:
        return supported[0]
    if instructions not in supported:
        raise ToolMissingError(
            f"this processor has no {instructions.value}",
            remedy=f"use one of {', '.join(supported)}",
        )
    return instructions


def _work(dataflow: Dataflow) -> int:
    """Pairs of a weight and an input, inputs of tables, elements of the input, of one image."""
    streams = dataflow.streams()
    sizes = {node.name: node.wiring.size for node in dataflow.nodes if isinstance(node, LutLayer)}
    sizes |= {mvu.name: mvu.weights.size for mvu in dataflow.mvus}
    return dataflow.input.elements + sum(
        streams[name].pixels * size for name, size in sizes.items()
    )


@functools.cache
def _say_slow(why: str) -> None:
    """Warn, once a process."""
    warnings.warn(
        f"the emulator runs in numpy, many times slower: {why}", BnnEdgeWarning, stacklevel=2
    )
