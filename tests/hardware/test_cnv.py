"""Brevitas's CNV with FINN's published folding: exact, and not a cycle slower than FINN's model."""

import json
from pathlib import Path

import pytest
import torch
from brevitas.export import export_qonnx

from bnnedge import verbs
from bnnedge.dataflow import Dataflow
from bnnedge.hardware import RtlConfig, emit
from bnnedge.hardware.folding import Fold, Folding, folding_record, layers_of
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


def cnv(folder: Path) -> Dataflow:
    export_qonnx(brevitas_cnv(hostile=True), torch.zeros(1, 3, 32, 32), str(folder / "cnv.onnx"))
    return lower_model(folder / "cnv.onnx", LoweringConfig()).dataflow


@pytest.mark.slow
def test_cnv_equals_interpreter_as_fast_as_finns_model(tmp_path: Path, cache: Path) -> None:
    dataflow = cnv(tmp_path)
    folding = published_folding(dataflow)
    assert (
        max(layer.cycles(folding[layer.node.name]) for layer in layers_of(dataflow)) == FINN_CYCLES
    )
    design = check_network(dataflow, folding, cache, images=8)
    assert design.interval_cycles == FINN_CYCLES


@pytest.mark.slow
def test_fifos_of_cnv_are_sized(tmp_path: Path) -> None:
    """Nothing in it waits for another branch: depths stay or shrink, the rate stays."""
    dataflow = cnv(tmp_path)
    (tmp_path / "dataflow").mkdir()
    dataflow.save(tmp_path / "dataflow")
    record = folding_record(published_folding(dataflow))
    (tmp_path / "folding.json").write_text(json.dumps(record))
    config = RtlConfig(folding=tmp_path / "folding.json")
    rtl = emit(tmp_path / "dataflow", config, tmp_path / "rtl").folder
    facts = verbs.fifos(rtl, tmp_path / "fifos").facts
    assert facts.interval_cycles == FINN_CYCLES
    for fifo in facts.fifos:
        assert 2 <= fifo.depth_words <= fifo.first_guess_words
