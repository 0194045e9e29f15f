"""Brevitas's CNV with FINN's published folding: exact, and not a cycle slower than FINN's model."""

from pathlib import Path

import pytest
import torch
from brevitas.export import export_qonnx

from bnnedge.dataflow import Dataflow
from bnnedge.hardware.folding import Fold, Folding, layers_of
from bnnedge.lowering import LoweringConfig, lower_model
from tests.brevitas_cnv import brevitas_cnv
from tests.hardware.test_conv import check_network

# (PE, SIMD) of the six convolutions and three dense layers.
PUBLISHED = [(16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32), (1, 4), (1, 8), (5, 1)]
# max over layers of pixels · (MW / SIMD) · (MH / PE): the first dense layer, 1 · 64 · 512.
FINN_CYCLES = 32768


def published_folding(dataflow: Dataflow) -> Folding:
    layers = layers_of(dataflow)
    return {
        layer.node.name: Fold(pe=pe, simd=simd)
        for layer, (pe, simd) in zip(layers, PUBLISHED, strict=True)
    }


@pytest.mark.slow
def test_cnv_equals_interpreter_as_fast_as_finns_model(tmp_path: Path, cache: Path) -> None:
    export_qonnx(brevitas_cnv(hostile=True), torch.zeros(1, 3, 32, 32), str(tmp_path / "cnv.onnx"))
    dataflow = lower_model(tmp_path / "cnv.onnx", LoweringConfig()).dataflow
    folding = published_folding(dataflow)
    assert (
        max(layer.cycles(folding[layer.node.name]) for layer in layers_of(dataflow)) == FINN_CYCLES
    )
    design = check_network(dataflow, folding, cache, images=8)
    assert design.interval_cycles == FINN_CYCLES
