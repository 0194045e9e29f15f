"""FINN's CNV with FINN's published folding: exact, and not a cycle slower than FINN's model."""

from pathlib import Path

import pytest

from bnnedge.dataflow import Dataflow, ElementType, Window
from bnnedge.hardware.folding import Fold, Folding, layers_of
from tests.hardware.conv_networks import ChainMaker, pixel_encoding
from tests.hardware.test_conv import check_network

# (PE, SIMD) of the six convolutions and three dense layers.
PUBLISHED = [(16, 3), (32, 32), (16, 32), (16, 32), (4, 32), (1, 32), (1, 4), (1, 8), (5, 1)]
# max over layers of pixels · (MW / SIMD) · (MH / PE): the first dense layer, 1 · 64 · 512.
FINN_CYCLES = 32768


def cnv() -> Dataflow:
    """The shapes of CNV for 8-bit RGB images of 32 x 32 pixels, with random weights."""
    maker = ChainMaker(11, pixel_encoding((32, 32, 3), ElementType(width_bits=8)))
    for channels, pooled in ((64, 0), (64, 1), (128, 0), (128, 1), (256, 0), (256, 0)):
        maker.conv(channels, Window(kernel=(3, 3)))
        if pooled:
            maker.max_pool(Window(kernel=(2, 2), stride=(2, 2)))
    maker.flatten()
    maker.matrix(512)
    maker.matrix(512)
    maker.matrix(10, thresholded=False)
    return maker.finish(classes=False)


def published_folding(dataflow: Dataflow) -> Folding:
    layers = layers_of(dataflow)
    return {
        layer.node.name: Fold(pe=pe, simd=simd)
        for layer, (pe, simd) in zip(layers, PUBLISHED, strict=True)
    }


@pytest.mark.slow
def test_cnv_equals_interpreter_as_fast_as_finns_model(cache: Path) -> None:
    dataflow = cnv()
    folding = published_folding(dataflow)
    assert (
        max(layer.cycles(folding[layer.node.name]) for layer in layers_of(dataflow)) == FINN_CYCLES
    )
    design = check_network(dataflow, folding, cache, images=8)
    assert design.interval_cycles == FINN_CYCLES
