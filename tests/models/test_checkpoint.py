"""Checkpoints: what is written comes back, and nothing but weights is ever loaded."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from bnnedge.data.encodings import IntegerEncoding
from bnnedge.errors import CheckpointError
from bnnedge.models.checkpoint import load_checkpoint, load_test_set, save_checkpoint
from bnnedge.models.config import NetworkConfig, Topology
from tests.models.networks import random_mlp, random_network

_IMAGES = np.arange(3 * 16, dtype=np.uint8).reshape(3, 16)
_LABELS = np.array([4, 0, 9], np.int64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, random_mlp(), {"input_range": [0, 16]}, _IMAGES, _LABELS)
    return tmp_path


def test_a_saved_network_comes_back_identical(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    x = torch.rand(20, 16) * 16
    with torch.no_grad():
        assert torch.equal(checkpoint.model(x), random_mlp()(x))
    assert checkpoint.input_range == (0, 16) and not checkpoint.model.training
    images, labels = load_test_set(folder, checkpoint)
    assert images.dtype == np.float32
    assert np.array_equal(images, _IMAGES) and np.array_equal(labels, _LABELS)


def test_a_residual_network_is_what_it_was_when_records_knew_no_residual_bits(
    tmp_path: Path,
) -> None:
    images = np.zeros((3, 3, 8, 8), np.uint8)
    for bits in (0, None):
        config = NetworkConfig(topology=Topology.RESNET20, residual_bits=bits)
        model = random_network(config, input_shape=(3, 8, 8), encoding=IntegerEncoding())
        save_checkpoint(tmp_path, model, {"input_range": [0, 255]}, images, _LABELS)
        if bits == 0:
            record = json.loads((tmp_path / "checkpoint.json").read_text())
            for key in ("residual_bits", "stages", "stem"):
                del record["network"][key]
            (tmp_path / "checkpoint.json").write_text(json.dumps(record))
        again = load_checkpoint(tmp_path).model
        assert again.config.residual == config.residual
        x = torch.randint(0, 256, (9, 3, 8, 8)).float()
        with torch.no_grad():
            assert torch.equal(again(x), model(x))


class _Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))])
def test_code_in_a_checkpoint_does_not_run(folder: Path, save) -> None:  # type: ignore[no-untyped-def]
    marker = folder / "executed"
    save({"weight": _Malicious(marker)}, folder / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="holds more than weights") as caught:
        load_checkpoint(folder)
    assert not marker.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 2000])
def test_truncated_weights_are_one_line(folder: Path, keep: int) -> None:
    path = folder / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"checkpoint.pt is damaged") as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_wrong_tensors_are_named(folder: Path) -> None:
    path = folder / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    weight = state["hidden.0.linear.weight"]
    for change, message in (
        ({"hidden.0.linear.weight": weight[:-1]}, r"weight wanted \(20, 48\).*got \(19, 48\)"),
        ({"hidden.0.linear.weight": weight.double()}, "got .* torch.float64"),
        ({"hidden.0.linear.weight": weight * float("nan")}, "holds NaN"),
        ({"stray": weight}, "tensor stray is not part of the network"),
    ):
        torch.save({**state, **change}, path)
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(folder)
    del state["output.norm.weight"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"output.norm.weight is missing"):
        load_checkpoint(folder)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="wanted a dictionary of tensors, got list"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, "wanted checkpoint format 2, got 1"),
        ({"network": {"topology": "mlp", "hidden": [10**9]}}, "wants widths in"),
        ({"network": {"topology": "mlp", "hidden": "many"}}, "checkpoint.json: hidden"),
        ({"network": {"topology": "alexnet"}}, "topology: wanted one of tfc, sfc, lfc"),
        (
            {"network": {"topology": "lenet5"}},
            r"images .* got inputs of shape \(16,\)",
        ),
        ({"encoding": {"levels": [3.0, 3.0]}}, "increasing thresholds"),
        ({"encoding": {"levels": []}}, "increasing thresholds"),
        ({"encoding": {"bits": 64}}, "wanted 1…16 bits, got 64"),
        ({"encoding": "thermometer"}, "no usable network shape"),
        ({"input_shape": [0]}, "inputs and outputs, got"),
        ({"outputs": 10**9}, "inputs and outputs, got"),
        ({"input_range": [1]}, "no usable input_range"),
    ],
)
def test_wrong_records_are_refused(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / "checkpoint.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_missing_and_unreadable_files(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    (folder / "test.npz").write_bytes(b"PK\3\4 cut")
    with pytest.raises(CheckpointError, match=r"test.npz is damaged"):
        load_test_set(folder, checkpoint)
    np.savez(folder / "test.npz", images=_IMAGES[:, :-1], labels=_LABELS)
    with pytest.raises(CheckpointError, match=r"wanted uint8 images \(N, 16\)"):
        load_test_set(folder, checkpoint)
    (folder / "checkpoint.pt").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint.pt is missing"):
        load_checkpoint(folder)
    (folder / "checkpoint.json").write_text("{")
    with pytest.raises(CheckpointError, match="not readable JSON"):
        load_checkpoint(folder)
    (folder / "checkpoint.json").unlink()
    with pytest.raises(CheckpointError, match="checkpoint.json is missing .*bnnedge train"):
        load_checkpoint(folder)
