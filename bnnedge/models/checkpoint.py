"""Checkpoints: a folder with the weights (`checkpoint.pt`), what they mean (`checkpoint.json`)
and the test set that they were measured on (`test.npz`).

Only tensors are ever unpickled, so a checkpoint from elsewhere cannot run code.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bnnedge.arguments import checked
from bnnedge.arrays import MOST_BYTES, read_npz
from bnnedge.dataflow.meaning import Meaning, names_of
from bnnedge.errors import ArrayError, CheckpointError, ConfigError
from bnnedge.filekinds import TEXT, refuse_other_file
from bnnedge.files import load_json
from bnnedge.models.network import Network
from bnnedge.models.numbers import REMEDY, wrong_number
from bnnedge.models.record import network_from_record, network_record
from bnnedge.models.tensors import read_tensors
from bnnedge.names import trained_name
from bnnedge.ops.weights import BinaryWeights

WEIGHTS = "checkpoint.pt"
RECORD = "checkpoint.json"
TEST_SET = "test.npz"
FORMAT = 2
_MOST_TEST_BYTES = MOST_BYTES // 4  # of bytes that become float32


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained network, ready to evaluate, and the record that came with it.

    Attributes:
        model: the network, in evaluation mode.
        input_range: smallest and largest raw input value.
        meaning: of inputs and classes.
        record: everything in `checkpoint.json`.
    """

    model: Network
    input_range: tuple[float, float]
    meaning: Meaning
    record: Mapping[str, Any]

    @property
    def name(self) -> str | None:
        """Of the network and what it was trained on; None: that is not known."""
        dataset = self.record.get("dataset")
        known = dataset.get("name") if isinstance(dataset, Mapping) else None
        if not isinstance(known, str):
            return None
        return trained_name(self.model.config.topology.value, known)


def save_checkpoint(
    folder: Path,
    model: Network,
    record: Mapping[str, Any],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
) -> None:
    """Write `model` into an existing folder.

    Args:
        folder: where the three files go.
        model: the network.
        record: JSON values kept beside the network's shape: "input_range" (smallest and largest
            raw value), class names, metrics, configuration.
        images: the test set's raw inputs (N, *input_shape).
        labels: the test set's labels (N,).
    """
    packed = io.BytesIO()  # a full disk under torch.save itself is a RuntimeError
    torch.save(model.state_dict(), packed)
    (folder / WEIGHTS).write_bytes(packed.getbuffer())
    record = {**record, "format": FORMAT, **network_record(model)}
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(folder / TEST_SET, images=images, labels=labels)


def load_test_set(
    folder: Path, checkpoint: Checkpoint
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The test set beside a checkpoint: raw inputs float32 (N, *input_shape), labels int64 (N,).

    Raises:
        CheckpointError: missing, damaged, or not of the network's input shape.
    """
    path = folder / TEST_SET
    if not path.exists():
        raise CheckpointError(f"{path} is missing", remedy="train again")
    shape, classes = checkpoint.model.input_shape, checkpoint.model.classes
    try:
        arrays = read_npz(path, ("images", "labels"), most_bytes=_MOST_TEST_BYTES)
    except ArrayError as error:
        raise CheckpointError(f"{path} is damaged ({error})", remedy="train again") from error
    images, labels = arrays["images"], arrays["labels"]
    fits = images.shape[1:] == shape and labels.shape == images.shape[:1] and len(labels) > 0
    if images.dtype != np.uint8 or labels.dtype != np.int64 or not fits:
        raise CheckpointError(
            f"{path}: wanted uint8 images (N, {', '.join(map(str, shape))}) and N int64 labels, "
            f"got {images.dtype} {images.shape} and {labels.dtype} {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise CheckpointError(
            f"{path}: wanted labels 0…{classes - 1}, got {labels.min()}…{labels.max()}"
        )
    return images.astype(np.float32), labels


@checked
def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a folder written by `save_checkpoint`; the model comes back in evaluation mode.

    Raises:
        CheckpointError: a file is missing, damaged, of a newer format, holds anything but
            tensors, or the tensors do not fit the record.
    """
    record = _read_record(folder / RECORD)
    checkpoint = _build(record, folder / RECORD)
    path = folder / WEIGHTS
    wanted = sum(tensor.nbytes for tensor in checkpoint.model.state_dict().values())
    state = read_tensors(path, most_bytes=2 * wanted)
    _fill(checkpoint.model, state, path)
    checkpoint.model.eval()
    return checkpoint


def _read_record(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise CheckpointError(
            f"{path} is missing", remedy="give the folder that `bnnedge train` wrote"
        )
    try:
        record = load_json(path)
    except ConfigError as error:
        refuse_other_file(path, CheckpointError, TEXT)
        raise CheckpointError(
            f"{path} is not readable JSON ({error.message})", remedy="train again"
        ) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        got = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise CheckpointError(f"{path}: wanted checkpoint format {FORMAT}, got {got}")
    return record


def _build(record: Mapping[str, Any], path: Path) -> Checkpoint:
    try:
        low, high = (float(value) for value in record["input_range"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{path}: no usable input_range ({error!r})") from error
    model = network_from_record(record, str(path))
    meaning = _meaning(record, path)
    meaning.verify(model.input_shape, model.classes, raises=CheckpointError)
    return Checkpoint(model=model, input_range=(low, high), meaning=meaning, record=record)


def _meaning(record: Mapping[str, Any], path: Path) -> Meaning:
    reading = {"reading": record["reading"]} if "reading" in record else {}
    try:
        found = Meaning.of({"class_names": record.get("classes", []), **reading}, source=str(path))
    except ConfigError as error:
        raise CheckpointError(str(error), remedy="train again") from error
    return replace(found, class_names=names_of(found.class_names))


def _fill(model: Network, state: Mapping[str, torch.Tensor], path: Path) -> None:
    for name, module in model.named_modules():
        if isinstance(module, BinaryWeights) and f"{name}.frozen_scale" in state:
            module.freeze_()
    wanted = model.state_dict()
    for name in sorted(wanted.keys() ^ state.keys(), key=str):
        raise CheckpointError(
            f"{path}: tensor {name} is {'missing' if name in wanted else 'not part of the network'}"
        )
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            raise CheckpointError(
                f"{path}: tensor {name} wanted {tuple(wanted[name].shape)} {wanted[name].dtype}, "
                f"got {tuple(tensor.shape)} {tensor.dtype}"
            )
    wrong = wrong_number(model, state)
    if wrong is not None:
        raise CheckpointError(f"{path}: {wrong}", remedy=REMEDY)
    model.load_state_dict(state)
