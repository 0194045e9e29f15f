"""Benchmarks, each against a plain stand-in: `python build_scripts/bench.py NAME`."""

import ctypes
import itertools
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bnnedge import dataflow as df
from bnnedge.data.encodings import Encoding, IntegerEncoding, OneBitThreshold
from bnnedge.emulator import Emulator, Instructions, library
from bnnedge.models.config import LayerConfig, NetworkConfig, PoolConfig, Topology
from bnnedge.models.zoo import build_network
from bnnedge.training import EpochReport, TrainingConfig
from bnnedge.training.config import ComputeConfig, Device
from bnnedge.training.inputs import Examples
from bnnedge.training.loop import fit, reproducible

_CONV = (
    LayerConfig(conv=32, pool=PoolConfig(size=2)),
    LayerConfig(conv=64, pool=PoolConfig(size=2)),
    LayerConfig(dense=256),
)


@click.group()
def main() -> None:
    """Measure a part of bnnedge."""


@main.command()
@click.option("--rounds", default=5, show_default=True, help="The quickest epoch counts.")
@click.option("--threads", default=1, show_default=True)
def training(rounds: int, threads: int) -> None:
    """Epochs of the training loop, and of the shortest loop that trains the same network."""
    sfc = NetworkConfig(topology=Topology.SFC)
    conv = NetworkConfig(topology=Topology.CONV, layers=_CONV)
    print("network  images  plain s  bnnedge s  ratio")
    for network, images, plain, encoding in (
        (sfc, 20000, _plain_sfc, OneBitThreshold(threshold=64.0)),
        (conv, 2000, _plain_conv, IntegerEncoding()),
    ):
        bare, ours = _epoch_seconds(network, images, plain, encoding, rounds, threads)
        name = network.topology.value
        print(f"{name:7} {images:7} {bare:8.2f} {ours:10.2f} {ours / bare:6.2f}")


def _epoch_seconds(
    network: NetworkConfig,
    images: int,
    plain: Callable[[], "_Plain"],
    encoding: Encoding,
    rounds: int,
    threads: int,
) -> tuple[float, float]:
    """Seconds of the quickest epoch, of the plain loop and of bnnedge's."""
    compute = ComputeConfig(device=Device.CPU, threads=threads)
    config = TrainingConfig(epochs=rounds + 1, batch_size=200, learning_rate=0.01, compute=compute)
    with reproducible(config, torch.device("cpu")):
        examples = Examples(
            images=torch.randint(0, 256, (images, 1, 28, 28), dtype=torch.uint8),
            labels=torch.randint(0, 10, (images,)),
        )
        held_out = Examples(images=examples.images[:200], labels=examples.labels[:200])
        model = build_network(network, input_shape=(1, 28, 28), encoding=encoding, classes=10)
        bare: list[float] = []
        ours: list[float] = []
        epochs = _plain_epochs(plain(), examples, config)

        # The two take turns, so that whatever else the machine does meets both.
        def turn(report: EpochReport) -> None:
            ours.append(report.seconds)
            bare.append(next(epochs))

        fit(model, examples, held_out, config, progress=turn)
    return min(bare[1:]), min(ours[1:])


_Plain = tuple[nn.Module, Callable[[Tensor], Tensor]]
"""A network, and the encoding of its raw inputs."""


class _Sign(torch.autograd.Function):
    """±1, with the gradient of hard tanh; for weights and activations."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() <= 1)


_sign: Callable[[Tensor], Tensor] = _Sign.apply


class _Linear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, _sign(self.weight))


class _Conv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, _sign(self.weight))


class _Binary(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _sign(x)


def _dense(before: int, after: int) -> list[nn.Module]:
    return [_Linear(before, after, bias=False), nn.BatchNorm1d(after)]


def _plain_sfc() -> _Plain:
    layers = [*_dense(784, 256), _Binary(), *_dense(256, 256), _Binary(), *_dense(256, 256)]
    model = nn.Sequential(*layers, _Binary(), *_dense(256, 10))
    return model, lambda images: (images.flatten(1) >= 64).float() * 2 - 1


def _plain_conv() -> _Plain:
    model = nn.Sequential(
        *(_Conv(1, 32, 3, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(32), _Binary()),
        *(_Conv(32, 64, 3, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(64), _Binary()),
        *(nn.Flatten(), *_dense(64 * 25, 256), _Binary(), *_dense(256, 10)),
    )
    return model, lambda images: images.float()


def _plain_epochs(plain: _Plain, examples: Examples, config: TrainingConfig) -> Iterator[float]:
    """Train endlessly; gives the seconds of every epoch."""
    model, encode = plain
    x, optimiser = encode(examples.images), torch.optim.Adam(model.parameters(), lr=0.01)
    while True:
        start = time.perf_counter()
        for index in torch.randperm(len(x)).split(config.batch_size):
            loss = functional.cross_entropy(model(x[index]), examples.labels[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.dim() > 1:
                        parameter.clamp_(-1, 1)
        yield time.perf_counter() - start


@main.command()
@click.option("--rounds", default=20, show_default=True, help="The quickest of so many counts.")
def emulator(rounds: int) -> None:
    """The emulator against onnxruntime in float32, and against the processor's popcount.

    Every figure is the quickest of many short calls, in one process.
    """
    sets = [name for name in library.supported() if name is not Instructions.PORTABLE]
    print("network  engine      threads  images/s  / onnxruntime")
    for name, network, images, few in (("LFC", _lfc(), 1024, 128), ("CNV", _cnv(), 64, 16)):
        x = np.random.default_rng(0).integers(0, 256, (images, *network.input.input_shape))
        x = x.astype(np.float32)
        plain = _onnxruntime_rate(network, x, rounds)
        print(f"{name:8} onnxruntime {1:7} {plain:9,.0f}")
        kinds = [*itertools.product(sets[:1], (1, 2)), *((each, 1) for each in sets[1:])]
        for instructions, threads in kinds:
            run = Emulator(network, threads, instructions=instructions)
            # A block or two: a call that fits between two interruptions.
            part = x if threads > 1 else x[: max(few, library.VARIANTS[instructions][-1].lanes)]
            rate = len(part) / _quickest(partial(run, part), rounds)
            print(f"{name:8} {instructions:11} {threads:7} {rate:9,.0f} {rate / plain:12.1f}")
    for name, network in (("TFC", _dense_network(784, 64, 64, 64, 10)), ("LFC", _lfc())):
        run, one = Emulator(network, 1), np.zeros((1, 784), np.float32)
        print(f"{name}, one image: {1e6 * _quickest(partial(run, one), 100 * rounds):.1f} us")
    if Instructions.AVX512 in sets:
        print(f"1024 x 1024 XNOR matrix: {_roofline_share(rounds):.0%} of VPOPCNTQ on registers")


def _quickest(call: Callable[[], object], rounds: int) -> float:
    """Seconds of the quickest of `rounds` calls."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _roofline_share(rounds: int) -> float:
    """Words per second of seven matrices with thresholds, to those of a loop of VPOPCNTQ."""
    run = Emulator(_dense_network(*[1024] * 8, 10), 1, instructions=Instructions.AVX512)
    x = np.random.default_rng(0).normal(size=(64, 1024)).astype(np.float32)
    loop = library.load().bnnedge_roofline
    loop.restype, loop.argtypes = ctypes.c_int64, [ctypes.c_int64]
    words = loop(20_000)
    matrix, peak = [], []
    for _ in range(10):  # the two take turns
        matrix.append(_quickest(partial(run, x), rounds))
        peak.append(_quickest(partial(loop, 20_000), rounds))
    return float((len(x) * 7 * 1024 * 1024 / 64 / min(matrix)) / (words / min(peak)))


@main.command()
@click.option("--rounds", default=50, show_default=True, help="The quickest of so many counts.")
def packing(rounds: int) -> None:
    """The PYNQ driver's packing of bits against FINN's, on one thread.

    GB/s are those of the unpacked bits, a byte each. The two take turns.
    """
    from finn.util.data_packing import finnpy_to_packed_bytearray
    from qonnx.core.datatype import DataType

    from bnnedge.deployment.runtime.encoding import BitEncoding

    def theirs(bits: NDArray[Any]) -> NDArray[np.uint8]:
        # As FINN's driver calls it.
        return finnpy_to_packed_bytearray(
            bits, DataType["BINARY"], reverse_endian=True, reverse_inner=True
        )

    print("images x bits  bits as  bnnedge GB/s  FINN GB/s   ratio")
    for images, width in ((1000, 784), (1000, 800), (10_000, 784)):
        plain = np.random.default_rng(0).integers(0, 2, (images, width), dtype=np.uint8)
        encoding = BitEncoding(np.zeros(width, np.float32), np.zeros(width, np.bool_))
        for bits in (plain, plain.astype(np.float32)):
            assert (encoding.pack(plain) == theirs(bits)).all()
            few = rounds if bits is plain else max(1, rounds // 10)
            seconds = [
                (_quickest(partial(encoding.pack, plain), 1), _quickest(partial(theirs, bits), 1))
                for _ in range(few)
            ]
            ours, finns = (
                plain.nbytes / min(column) / 1e9 for column in zip(*seconds, strict=True)
            )
            shape = f"{images} x {width}"
            print(f"{shape:13}  {bits.dtype!s:7}  {ours:12.2f} {finns:10.4f} {ours / finns:7.1f}")


def _matrix(name: str, rows: int, columns: int, *, last: bool = False) -> df.XnorMvu:
    rng = np.random.default_rng(rows + columns)
    return df.XnorMvu(
        name=name,
        weights=rng.integers(0, 2, (rows, columns), dtype=np.uint8),
        thresholds=None if last else np.full(rows, columns // 2),
        invert=None if last else rng.random(rows) < 0.5,
    )


def _logits(columns: int) -> df.OutputTable:
    values = np.tile(np.arange(-columns, columns + 1, 2, dtype=np.float32), (10, 1))
    return df.OutputTable(values=values, classes=False, low=-columns)


def _dense_network(*widths: int) -> df.Dataflow:
    sizes = list(itertools.pairwise(widths))
    encoding = df.ThresholdEncoding(
        name="one_bit",
        input_shape=(widths[0],),
        output_shape=(widths[0],),
        source=np.arange(widths[0]),
        threshold=np.full(widths[0], 128.0),
        invert=np.zeros(widths[0], np.bool_),
    )
    matrices = tuple(
        _matrix(f"mvu{index}", rows, columns, last=index == len(sizes) - 1)
        for index, (columns, rows) in enumerate(sizes)
    )
    return df.Dataflow(name="dense", input=encoding, nodes=matrices, output=_logits(widths[-2]))


def _lfc() -> df.Dataflow:
    return _dense_network(784, 1024, 1024, 1024, 10)


def _cnv() -> df.Dataflow:
    """BNN-PYNQ's CNV on 8-bit images."""
    source = np.arange(3072).reshape(3, 32, 32).transpose(1, 2, 0).reshape(-1)
    encoding = df.IntegerEncoding(
        name="uint8",
        input_shape=(3, 32, 32),
        output_shape=(32, 32, 3),
        source=source,
        element=df.ElementType(width_bits=8),
        steps=np.arange(1, 256, dtype=np.float32)[None],
    )
    first = _matrix("mvu0", 64, 27)
    nodes: list[df.Node] = [
        df.SlidingWindow(name="window0", window=df.Window(kernel=(3, 3))),
        df.IntegerMvu(
            name="mvu0",
            weights=first.weights,
            thresholds=np.zeros(64, np.int32),
            invert=np.zeros(64, np.bool_),
        ),
    ]
    channels = (64, 64, 128, 128, 256, 256)
    for index, (before, after) in enumerate(itertools.pairwise(channels), 1):
        nodes.append(df.SlidingWindow(name=f"window{index}", window=df.Window(kernel=(3, 3))))
        nodes.append(_matrix(f"mvu{index}", after, 9 * before))
        if index in (1, 3):
            half = df.Window(kernel=(2, 2), stride=(2, 2))
            pool = df.MaxPool(
                name=f"pool{index}", window=half, conjunction=np.zeros(after, np.bool_)
            )
            nodes.append(pool)
    dense = (
        _matrix("mvu6", 512, 256),
        _matrix("mvu7", 512, 512),
        _matrix("mvu8", 10, 512, last=True),
    )
    return df.Dataflow(
        name="cnv",
        input=encoding,
        nodes=(*nodes, df.Flatten(name="flatten"), *dense),
        output=_logits(512),
    )


def _onnxruntime_rate(network: df.Dataflow, x: NDArray[np.float32], rounds: int) -> float:
    """Images per second of the same layers in float32 on one thread, at its best batch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = _float_model(network).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    rates = []
    for batch in (1, 8, 16, 64, 256):
        part = x[:batch]
        rates.append(len(part) / _quickest(partial(session.run, None, {"x": part}), rounds))
    return max(rates)


def _float_model(network: df.Dataflow) -> onnx.ModelProto:
    """The network's layers as Conv, Gemm, Sign and MaxPool, biases in place of BatchNorms."""
    nodes, weights, value = [], [], "x"

    def add(kind: str, *inputs: str, **attributes: object) -> None:
        nonlocal value
        output = f"{kind}{len(nodes)}"
        nodes.append(onnx.helper.make_node(kind, [value, *inputs], [output], **attributes))
        value = output

    kernel = None
    for node in network.nodes:
        match node:
            case df.SlidingWindow():
                kernel = node.window.kernel
            case df.MaxPool():
                add("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
            case df.Flatten():
                add("Flatten")
            case df.XnorMvu() | df.IntegerMvu():
                matrix = 2 * node.weights.astype(np.float32) - 1
                if kernel:
                    matrix = matrix.reshape(node.mh, *kernel, -1).transpose(0, 3, 1, 2)
                names = (f"{node.name}_weights", f"{node.name}_bias")
                bias = np.full(node.mh, 0.5, np.float32)
                for name, array in zip(names, (matrix, bias), strict=True):
                    weights.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
                if kernel:
                    add("Conv", *names)
                else:
                    add("Gemm", *names, transB=1)
                if node.thresholds is not None:
                    add("Sign")
                kernel = None
    real = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "float",
        [onnx.helper.make_tensor_value_info("x", real, ["n", *network.input.input_shape])],
        [onnx.helper.make_tensor_value_info(value, real, ["n", 10])],
        weights,
    )
    opset = onnx.helper.make_opsetid("", 17)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)


if __name__ == "__main__":
    main()
