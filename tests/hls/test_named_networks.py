"""TFC, LFC, CNV and ResNet-20 whole, with hostile BatchNorms, as HLS C++: equal to the Dataflow."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bnnedge import tools, verbs
from bnnedge.data.encodings import IntegerEncoding
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.hardware.folding import folding_record
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.zoo import build_network
from bnnedge.sizing import has_joins
from bnnedge.vitis_hls.csim import STANDARD
from bnnedge.vitis_hls.emit import WARNINGS
from tests.end_to_end.residual_networks import settle
from tests.end_to_end.test_named_networks import hostile_checkpoint
from tests.hardware.test_cnv import cnv, published_folding
from tests.hls.bench import needs_ap_types

pytestmark = [pytest.mark.slow, needs_ap_types]


def check_whole(rtl: Path, folder: Path, *, images: int) -> None:
    """All results are equal, and they tell images apart; g++ warns of nothing."""
    facts = verbs.hls(rtl, folder, check=True, images=images).facts
    print(folder.name, facts)
    assert facts.checked_images == images
    expected = (folder / "expected.bin").read_bytes()
    argv = [tools.find("g++"), f"-std={STANDARD}", *WARNINGS, "-Werror", "-fsyntax-only"]
    argv += ["-isystem", tools.ap_types(), "-I", "include", "bnnedge_core.cpp", "test_bench.cpp"]
    tools.run(argv, cwd=folder, log=folder.parent / "warnings.log", timeout_s=300)
    results = np.frombuffer(expected, np.uint8).reshape(images, -1)
    assert len(np.unique(results, axis=0)) > images // 2


@pytest.mark.parametrize(
    ("topology", "target_fps"), [(Topology.TFC, 100_000), (Topology.LFC, 40_000)]
)
def test_dense_network_equals_its_dataflow(
    topology: Topology, target_fps: float, tmp_path: Path
) -> None:
    checkpoint = hostile_checkpoint(topology, tmp_path / "checkpoint")
    verbs.export(checkpoint, tmp_path / "export")
    verbs.lower(tmp_path / "export", tmp_path / "dataflow")
    rtl = verbs.rtl(tmp_path / "dataflow", tmp_path / "rtl", target_fps=target_fps).folder
    check_whole(rtl, tmp_path / topology.value, images=64)


def test_cnv_equals_its_dataflow(tmp_path: Path) -> None:
    dataflow = cnv(tmp_path)
    (tmp_path / "dataflow").mkdir()
    dataflow.save(tmp_path / "dataflow")
    (tmp_path / "folding.json").write_text(json.dumps(folding_record(published_folding(dataflow))))
    folding = tmp_path / "folding.json"
    rtl = verbs.rtl(tmp_path / "dataflow", tmp_path / "rtl", folding=folding).folder
    check_whole(rtl, tmp_path / "cnv", images=16)


def test_resnet_equals_its_dataflow(tmp_path: Path) -> None:
    torch.manual_seed(6)
    model = build_network(
        NetworkConfig(topology=Topology.RESNET20),
        input_shape=(3, 32, 32),
        encoding=IntegerEncoding(),
        classes=10,
    )
    settle(model, seed=6)
    onnx.save(to_qonnx(model), tmp_path / "model.onnx")
    verbs.lower(tmp_path / "model.onnx", tmp_path / "dataflow")
    assert has_joins(tmp_path / "dataflow")
    rtl = verbs.rtl(tmp_path / "dataflow", tmp_path / "rtl").folder
    check_whole(rtl, tmp_path / "resnet20", images=16)
