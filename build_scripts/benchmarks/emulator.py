"""The emulator against onnxruntime, Brevitas and qonnx, and against the processor's own bounds."""

import ctypes
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from benchmarks.measure import Row, take_turns
from benchmarks.networks import cnv, dense_network, float_model, lfc
from bnnedge import Dataflow
from bnnedge.data.encodings import IntegerEncoding, OneBitThreshold
from bnnedge.emulator import Emulator, Instructions, library
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.zoo import build_network

_PEER = "onnxruntime, float32"
_CALLS = 200  # of one image, in a round
_WORDS_PER_ROUND = 64


def emulator(rounds: int) -> Iterator[Row]:
    """Throughput, latency, the share of VPOPCNTQ, and a whole command."""
    sets = [name for name in library.supported() if name is not Instructions.PORTABLE]
    yield from _throughput("LFC", lfc(), 8192, sets, rounds)
    yield from _throughput("CNV", cnv(), 1024, sets, rounds)
    yield from _peers("LFC", Topology.LFC, (1, 28, 28), 1024, rounds)
    yield from _peers("CNV", Topology.CNV, (3, 32, 32), 32, rounds)
    for name, network in (("TFC", dense_network(784, 64, 64, 64, 10)), ("LFC", lfc())):
        yield from _latency(name, network, rounds)
    if Instructions.AVX512 in sets:
        yield from _roofline(rounds)
    yield _command(rounds)


def _throughput(
    name: str, network: Dataflow, images: int, sets: list[Instructions], rounds: int
) -> Iterator[Row]:
    """Images per second: every engine runs the same images, in turns."""
    x = np.random.default_rng(0).integers(0, 256, (images, *network.input.input_shape))
    x = x.astype(np.float32)
    best, threads = sets[0], (1, 2)
    engines = {(_label(best), n): Emulator(network, n, instructions=best) for n in threads}
    engines |= {(_label(each), 1): Emulator(network, 1, instructions=each) for each in sets[1:]}
    calls: dict[str, Callable[[], object]] = {_PEER: _onnxruntime(network, x)}
    calls |= {f"{label}, threads: {n}": partial(run, x) for (label, n), run in engines.items()}
    rates = {call: images / seconds for call, seconds in take_turns(calls, rounds).items()}
    for engine, rate in rates.items():
        ratio = None if engine == _PEER else rate / rates[_PEER]
        peer = "" if engine == _PEER else _PEER
        yield Row(case=name, engine=engine, value=rate, unit="images/s", ratio=ratio, peer=peer)
    one, two = (rates[f"{_label(best)}, threads: {n}"] for n in threads)
    yield Row(
        case=name,
        engine="two threads",
        value=two,
        unit="images/s",
        ratio=two / one,
        peer="one thread",
    )


def _label(instructions: Instructions) -> str:
    return f"bnnedge, {instructions.value}"


def _onnxruntime(network: Dataflow, x: NDArray[np.float32]) -> Callable[[], object]:
    """Runs the same layers in float32 on one thread, in batches of the quickest size."""
    session = _session(network)

    def run(batch: int, images: int) -> None:
        for start in range(0, images, batch):
            session.run(None, {"x": x[start : start + batch]})

    sizes = (1, 8, 16, 64, 256)
    seconds = take_turns({str(size): partial(run, size, 256) for size in sizes}, 3)
    best = min(sizes, key=lambda size: seconds[str(size)])
    return partial(run, best, len(x))


def _session(network: Dataflow) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = float_model(network).SerializeToString()
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def _peers(
    name: str, topology: Topology, shape: tuple[int, ...], images: int, rounds: int
) -> Iterator[Row]:
    """The same layers as Brevitas and qonnx evaluate them."""
    encoding = OneBitThreshold(threshold=128.0) if shape[0] == 1 else IntegerEncoding()
    torch.set_num_threads(1)
    model = build_network(
        NetworkConfig(topology=topology), input_shape=shape, encoding=encoding, classes=10
    ).eval()
    x = torch.randint(0, 256, (images, *shape)).float()

    @torch.no_grad()
    def brevitas() -> None:
        model(x)

    graph = ModelWrapper(to_qonnx(model)).transform(InferShapes())
    one = {"input": x[:1].numpy()}
    calls = {"Brevitas, eval": brevitas, "qonnx, execute_onnx": lambda: execute_onnx(graph, one)}
    for engine, seconds in take_turns(calls, rounds).items():
        count = images if engine.startswith("Brevitas") else 1
        yield Row(case=name, engine=engine, value=count / seconds, unit="images/s")


def _latency(name: str, network: Dataflow, rounds: int) -> Iterator[Row]:
    """Microseconds of a call with one image."""
    x = np.zeros((1, *network.input.input_shape), np.float32)
    session, run = _session(network), Emulator(network, 1)

    def many(call: Callable[[], Any]) -> None:
        for _ in range(_CALLS):
            call()

    calls = {
        _PEER: partial(many, lambda: session.run(None, {"x": x})),
        "bnnedge": partial(many, lambda: run(x)),
    }
    seconds = take_turns(calls, rounds)
    for engine, each in seconds.items():
        yield Row(
            case=f"{name}, one image",
            engine=engine,
            value=1e6 * each / _CALLS,
            unit="us",
            ratio=None if engine == _PEER else seconds[_PEER] / each,
            peer="" if engine == _PEER else _PEER,
        )


def _roofline(rounds: int) -> Iterator[Row]:
    """Pairs of a weight and an input per second, of seven matrices and of VPOPCNTQ on registers."""
    matrices, images, size = 7, 2000, 1024
    network = dense_network(*[size] * (matrices + 1), 10)
    run = Emulator(network, 1, instructions=Instructions.AVX512)
    x = np.random.default_rng(0).normal(size=(images, size)).astype(np.float32)
    loop = library.load().bnnedge_roofline
    loop.restype, loop.argtypes = ctypes.c_int64, [ctypes.c_int64]
    turns = 1_000_000
    seconds = take_turns({"matrix": partial(run, x), "loop": partial(loop, turns)}, rounds)
    peak = 64 * _WORDS_PER_ROUND * turns / seconds["loop"]
    rate = images * matrices * size * size / seconds["matrix"]
    case, peer = f"{images} x {size} x {size}, with thresholds", "VPOPCNTQ on registers"
    yield Row(case=case, engine=peer, value=peak / 1e9, unit="Gpairs/s")
    yield Row(
        case=case,
        engine=_label(Instructions.AVX512),
        value=rate / 1e9,
        unit="Gpairs/s",
        ratio=rate / peak,
        peer=peer,
    )


def _command(rounds: int) -> Row:
    """Seconds of `bnnedge emulate` from start to end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lfc").mkdir()
        lfc().save(folder / "lfc")
        x = np.random.default_rng(0).integers(0, 256, (10_000, 784), np.uint8)
        np.save(folder / "x.npy", x)
        argv = [sys.executable, "-m", "bnnedge", "emulate", str(folder / "lfc")]
        argv += ["--inputs", str(folder / "x.npy"), "-o", str(folder / "y.npy")]

        def run() -> None:
            subprocess.run(argv, check=True, capture_output=True)

        seconds = take_turns({"emulate": run}, rounds)["emulate"]
    return Row(case="LFC, 10,000 images", engine="bnnedge emulate", value=seconds, unit="s")
