"""The networks whose hardware is on record: seeded Dataflows, and the zoo's own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx

from bnnedge.data.encodings import IntegerEncoding
from bnnedge.dataflow import Dataflow, ElementType, Window
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.folding import folding_record
from bnnedge.lowering import LoweringConfig
from bnnedge.lowering.lower import lower_model
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.network import Network
from bnnedge.models.pretrained.cards import ModelCard, available
from bnnedge.models.pretrained.load import load_card
from tests.models.networks import random_network
from tests.networks import random_conv, random_mlp, random_residual, with_class_scales
from tests.networks.branches import random_branches
from tests.networks.chains import ChainMaker, pixel_encoding, random_chain, random_folding
from tests.networks.luts import lut_network


def _dilated_pools() -> Dataflow:
    maker = ChainMaker(0, pixel_encoding((7, 8, 2), ElementType(width_bits=3)))
    maker.max_pool(Window(kernel=(2, 2), dilation=(2, 3)))
    maker.conv(4, Window(kernel=(3, 3)), thresholded=False)
    maker.sum_pool(Window(kernel=(2, 2), dilation=(1, 2)))
    maker.flatten()
    maker.matrix(3, thresholded=False)
    return maker.finish(classes=True)


# Chosen so that every kernel is there, in each of its forms: see `tests.oracles.forms`.
SEEDED: Mapping[str, tuple[Callable[[], Dataflow], RtlConfig | int]] = {
    "mlp": (lambda: random_mlp((256, 64, 64, 10), classes=True), RtlConfig(target_fps=1e6)),
    "mlp_accumulators": (lambda: random_mlp((100, 33, 10)), RtlConfig(target_fps=5e6)),
    "mlp_a_clock": (lambda: random_mlp((9, 7, 5, 3), classes=True), RtlConfig(target_fps=1e8)),
    "scores": (lambda: with_class_scales(random_mlp((48, 20, 12))), RtlConfig(target_fps=1e6)),
    "top_4": (lambda: with_class_scales(random_mlp((48, 20, 12)), k=4), RtlConfig(target_fps=3e6)),
    "tables_a_clock": (lambda: lut_network(0), RtlConfig(target_fps=1e8)),
    "conv": (random_conv, 0),
    "conv_by_rate": (random_conv, RtlConfig(target_fps=2e4, clock_mhz=50)),
    "residual": (random_residual, 0),
    "residual_by_default": (random_residual, RtlConfig()),
    "dilated_pools": (_dilated_pools, 0),
    **{f"chain_{seed}": (lambda seed=seed: random_chain(seed), seed) for seed in (0, 2, 4, 18, 47)},
    **{
        f"branches_{seed}": (lambda seed=seed: random_branches(seed), seed)
        for seed in (5, 7, 11, 15, 54)
    },
}
"""A Dataflow, and the configuration of its hardware or the seed of a random folding."""

UNTRAINED = (Topology.CNV, Topology.NIN, Topology.VGG_SMALL, Topology.RESNET20, Topology.RESNET18)
ZOO = (*available(), *(topology.value for topology in UNTRAINED))


def emitted(dataflow: Dataflow, how: RtlConfig | int, folder: Path) -> Path:
    """Its RTL folder, in an empty folder; `how` is as in `SEEDED`."""
    (folder / "dataflow").mkdir()
    dataflow.save(folder / "dataflow")
    if isinstance(how, int):
        record = folding_record(random_folding(dataflow, how))
        (folder / "given.json").write_text(json.dumps(record))
        how = RtlConfig(folding=folder / "given.json")
    return emit(folder / "dataflow", how, folder / "rtl").folder


def zoo_dataflow(name: str, folder: Path) -> Dataflow:
    """Of a pretrained network, or of a topology with random weights for CIFAR-10's images.

    Args:
        name: one of `ZOO`.
        folder: for files between the stages.
    """
    onnx.save(to_qonnx(_zoo_network(name)), folder / f"{name}.onnx")
    return lower_model(folder / f"{name}.onnx", LoweringConfig(check_images=1)).dataflow


def _zoo_network(name: str) -> Network:
    if name in available():
        return load_card(ModelCard.load(name))
    config = NetworkConfig(topology=Topology(name))
    return random_network(config, input_shape=(3, 32, 32), encoding=IntegerEncoding())
