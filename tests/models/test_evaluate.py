"""`bnnedge evaluate --model`: PyTorch, Dataflow and model card agree, or it fails."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import bnnedge
from bnnedge.artifacts import sha256_of
from bnnedge.cli import main
from bnnedge.data.config import DatasetName
from bnnedge.data.datasets import load_dataset
from bnnedge.data.encodings import OneBitThreshold
from bnnedge.emulator import Emulator
from bnnedge.errors import ConfigError, DataError, MismatchError
from bnnedge.models.config import NetworkConfig, Topology
from bnnedge.models.pretrained import ModelCard, cards
from bnnedge.models.pretrained.packing import pack
from bnnedge.models.record import network_record
from tests.models.networks import random_network


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """An untrained network among the pretrained ones, with an honest card."""
    monkeypatch.setattr(cards, "FOLDER", tmp_path)
    digits = load_dataset(DatasetName.DIGITS)
    config = NetworkConfig(topology=Topology.TFC)
    model = random_network(config, input_shape=(64,), encoding=OneBitThreshold(threshold=8.0))
    np.savez(tmp_path / "tfc_digits.npz", **pack(model))
    with torch.no_grad():
        classes = model(torch.from_numpy(digits.test.inputs)).argmax(1).numpy()
    card = ModelCard(
        name="tfc_digits",
        model=network_record(model),
        input_range=(0, 16),
        classes=digits.classes,
        recipe="",
        seed=0,
        dataset="digits",
        dataset_sha256=digits.sha256(),
        validation_accuracy=0.1,
        test_correct=int((classes == digits.test.labels).sum()),
        test_images=len(classes),
        commit="0" * 40,
        weights_sha256=sha256_of(tmp_path / "tfc_digits.npz"),
    )
    card.save(tmp_path)
    return card


def test_both_ways_are_measured_and_equal(card: ModelCard) -> None:
    result = CliRunner().invoke(
        main, ["evaluate", "--model", "tfc", "--dataset", "digits", "--json"]
    )
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert [entry["backend"] for entry in measured] == ["pytorch", "dataflow"]
    assert [entry["correct"] for entry in measured] == [card.test_correct] * 2
    assert measured[0]["images"] == card.test_images
    some = bnnedge.evaluate_model("tfc", "digits", images=7)
    assert [evaluation.images for evaluation in some] == [7, 7]


def test_another_accuracy_than_the_card_s_is_a_failure(card: ModelCard, tmp_path: Path) -> None:
    replace(card, test_correct=card.test_correct + 1).save(tmp_path)
    result = CliRunner().invoke(main, ["evaluate", "--model", "tfc", "--dataset", "digits"])
    assert result.exit_code == 1
    wanted = f"{card.test_correct} of {card.test_images} images are right, its model card says"
    assert wanted in result.stderr


def test_a_dataflow_that_differs_is_named(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    predict = Emulator.predict

    def wrong(self: Emulator, x: np.ndarray) -> np.ndarray:
        classes = predict(self, x)
        classes[3] = (classes[3] + 1) % 10
        return classes

    monkeypatch.setattr(Emulator, "predict", wrong)
    with pytest.raises(MismatchError, match=r"tfc_digits, image 3: pytorch \d, dataflow \d"):
        bnnedge.evaluate_model("tfc", "digits", images=5)


def test_a_pretrained_network_is_exported_with_its_whole_test_set(
    card: ModelCard, tmp_path: Path
) -> None:
    out = tmp_path / "export"
    words = ["export", "--model", "tfc", "--dataset", "digits", "-o", str(out), "--json"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["facts"]["test_images"] == card.test_images
    assert (out / "model.onnx").is_file()
    for arguments in ("", "folder --model tfc --dataset digits", "--model tfc", "--dataset digits"):
        result = CliRunner().invoke(main, ["export", *arguments.split(), "-o", str(out)])
        assert result.exit_code == 1
        assert "either a CHECKPOINT or --model with --dataset" in result.stderr


def test_other_data_and_wrong_options_are_one_line(card: ModelCard, tmp_path: Path) -> None:
    for arguments, message in (
        ("--dataset digits", "either a DATAFLOW folder or --model"),
        ("folder --model tfc --dataset digits", "either a DATAFLOW folder or --model"),
        ("--model tfc --dataset digits --backend rtl", "--backend goes with a DATAFLOW"),
        ("--model lfc --dataset digits", "no pretrained network lfc_digits, there are: tfc_digits"),
    ):
        result = CliRunner().invoke(main, ["evaluate", *arguments.split()])
        assert result.exit_code == 1 and message in result.stderr, arguments
    with pytest.raises(ConfigError):
        bnnedge.evaluate_model("tfc", "mnist")
    replace(card, dataset_sha256="0" * 64).save(tmp_path)
    with pytest.raises(DataError, match="not the one that tfc_digits was trained on"):
        bnnedge.evaluate_model("tfc", "digits")
