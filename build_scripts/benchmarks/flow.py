"""From PyTorch to simulated hardware: seconds, and simulated clock cycles per second."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch

import bnnedge
from benchmarks.measure import Row, take_turns
from bnnedge.data.encodings import IntegerEncoding, OneBitThreshold
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.zoo import build_network
from bnnedge.simulation import Core

_TARGET_FPS = 100_000
_IMAGES = 64


def flow(rounds: int) -> Iterator[Row]:
    """Export and lowering, once each, and the simulation of what comes out."""
    one_bit, pixels = OneBitThreshold(threshold=128.0), IntegerEncoding()
    for topology, encoding, fps in (
        (Topology.TFC, one_bit, _TARGET_FPS),
        (Topology.LFC, one_bit, _TARGET_FPS),
        (Topology.LENET5, pixels, _TARGET_FPS // 100),
    ):
        torch.manual_seed(0)
        config = NetworkConfig(topology=topology)
        model = build_network(config, input_shape=(1, 28, 28), encoding=encoding, classes=10)
        name = topology.value
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            graph = Path(folder) / "model.onnx"
            onnx.save(to_qonnx(model.eval()), graph)
            exported = time.perf_counter()
            bnnedge.lower(graph, Path(folder) / "dataflow")
            lowered = time.perf_counter()
            yield Row(
                case=f"{name}, PyTorch to QONNX", engine="bnnedge", value=exported - start, unit="s"
            )
            yield Row(
                case=f"{name}, QONNX to Dataflow",
                engine="bnnedge",
                value=lowered - exported,
                unit="s",
                ratio=(exported - start) / (lowered - exported),
                peer="PyTorch to QONNX",
            )
            bnnedge.rtl(Path(folder) / "dataflow", Path(folder) / "rtl", target_fps=fps)
            yield from _simulation(name, Path(folder) / "rtl", rounds)


def _simulation(name: str, rtl: Path, rounds: int) -> Iterator[Row]:
    core = Core.load(rtl)
    dataflow = bnnedge.Dataflow.load(rtl / "dataflow")
    pixels = np.random.default_rng(0).integers(0, 256, (_IMAGES, *dataflow.input.input_shape))
    encoded = dataflow.encode(pixels.astype(np.float32))
    cycles = int(core.run(encoded).stream.out_cycles[-1])
    seconds = take_turns({"rtl": lambda: core.run(encoded)}, rounds)["rtl"]
    yield Row(
        case=f"{name}, RTL simulation", engine="bnnedge", value=cycles / seconds, unit="cycles/s"
    )
