"""What a report says about networks of convolutions."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge.artifacts import Artifact
from bnnedge.dataflow import Dataflow, ElementType, Window
from bnnedge.hardware import RtlConfig, emit
from bnnedge.reports.data import ReportData
from bnnedge.summary import BuiltStage, report_data
from tests.hardware.conv_networks import ChainMaker, pixel_encoding
from tests.networks import random_inputs, random_mlp


def _conv(height: int, width: int, channels: int) -> Dataflow:
    maker = ChainMaker(0, pixel_encoding((height, width, channels), ElementType(width_bits=8)))
    maker.conv(6, Window(kernel=(3, 3)))
    maker.max_pool(Window(kernel=(2, 2), stride=(2, 2)))
    maker.flatten()
    maker.matrix(2, thresholded=False)
    return maker.finish(classes=False)


def _report(dataflow: Dataflow, inputs: np.ndarray, folder: Path) -> ReportData:
    """Of a build up to RTL."""
    for name in ("train", "export", "lower"):
        (folder / name).mkdir()
    record = {"dataset": {"name": "made"}, "classes": ["a", "b"], "history": []}
    (folder / "train" / "checkpoint.json").write_text(json.dumps(record))
    labels = np.zeros(len(inputs), np.int64)
    np.savez(folder / "export" / "reference.npz", inputs=inputs, labels=labels)
    dataflow.save(folder / "lower")
    facts: dict[str, dict[str, Any]] = {
        "train": {"test_accuracy": 0.5, "test_images": len(inputs), "best_epoch": 1},
        "export": {
            "test_images": len(inputs),
            "adversarial_inputs": 0,
            "numbers_compared": 1,
            "channel_accumulator_pairs_compared": 1,
        },
        "lower": {"checks": {}},
    }
    made = {
        name: Artifact(
            folder=folder / name,
            kind=name,
            fingerprint="",
            files={},
            tools={},
            wall_s=1.0,
            facts=facts[name],
        )
        for name in facts
    }
    made["rtl"] = emit(folder / "lower", RtlConfig(target_fps=1000), folder / "rtl")
    stages = {
        name: BuiltStage(name=name, artifact=artifact, reused=False)
        for name, artifact in made.items()
    }
    return report_data("made", stages, commands=())


@pytest.mark.parametrize(
    ("shape", "topology", "pictures"),
    [
        ((5, 20, 1), "5x20x1-6-2", [(5, 20)] * 3),  # 100 elements, and no 10×10
        ((6, 8, 3), "6x8x3-6-2", []),  # 144 elements, and no 12×12
    ],
)
def test_feature_maps(
    shape: tuple[int, int, int], topology: str, pictures: list[tuple[int, int]], tmp_path: Path
) -> None:
    dataflow = _conv(*shape)
    inputs = np.random.default_rng(0).integers(0, 256, (3, *dataflow.input.input_shape))
    report = _report(dataflow, inputs.astype(np.float32), tmp_path)
    assert report.topology == topology
    assert [(example.height, example.width) for example in report.examples] == pictures
    assert report.pipeline is not None
    stream = report.pipeline.links[0]
    assert (stream.elements, stream.element) == (math.prod(shape), "UINT8")
    assert stream.beats is not None
    assert stream.beats * stream.width_bits == report.pipeline.input_bits == 8 * math.prod(shape)


def test_rows_of_a_square_number_are_pictures(tmp_path: Path) -> None:
    dataflow = random_mlp((16, 5, 2))
    report = _report(dataflow, random_inputs(dataflow, 3), tmp_path)
    assert report.topology == "16-5-2"
    assert [(example.height, example.width) for example in report.examples] == [(4, 4)] * 3
