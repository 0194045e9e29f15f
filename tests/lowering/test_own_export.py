"""The models that bnnedge itself exports: equal to PyTorch, at ties as everywhere."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bnnedge.exporter import export
from bnnedge.exporter.onnx_model import to_qonnx
from bnnedge.lowering import LoweringConfig, lower, lower_model
from bnnedge.models.checkpoint import save_checkpoint
from tests.models.networks import random_mlp


@pytest.mark.parametrize("thresholds", [(8.0,), (4.0, 8.0, 12.0)])
def test_equals_pytorch(tmp_path: Path, thresholds: tuple[float, ...]) -> None:
    model = random_mlp(input_shape=(4, 5), thresholds=thresholds, hidden=(33, 12), seed=1)
    path = tmp_path / "model.onnx"
    onnx.save(to_qonnx(model), path)

    lowered = lower_model(path, LoweringConfig())

    assert lowered.facts["lifted"] == [] and lowered.facts["remarks"] == []
    encoding = lowered.dataflow.input
    assert (encoding.name, encoding.input_shape) == ("quantile_thermometer", (4, 5))
    assert np.array_equal(encoding.threshold, np.tile(np.float32(thresholds), 20))
    x = np.random.default_rng(0).integers(0, 17, (200, 4, 5)).astype(np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(x)).numpy()
    assert np.array_equal(lowered.dataflow.logits(x), wanted)
    classes = lower_model(path, LoweringConfig(classify=True)).dataflow.run(x)
    assert np.array_equal(classes, wanted.argmax(axis=1))


def test_an_exported_folder_brings_its_reference(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 17, (40, 16)).astype(np.uint8), rng.integers(0, 10, 40)
    save_checkpoint(checkpoint, random_mlp(), {"input_range": [0, 16]}, images, labels)
    export(checkpoint, tmp_path / "export")

    artifact = lower(tmp_path / "export" / "model.onnx", LoweringConfig(), tmp_path / "dataflow")

    assert artifact.facts["checks"]["pytorch"]["images"] > 40
