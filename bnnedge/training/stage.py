"""The stage: recipe in, checkpoint folder out. torch is imported only when there is work."""

import dataclasses
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnnedge.artifacts import Artifact, stage, to_json
from bnnedge.data.config import DataConfig
from bnnedge.data.datasets import Dataset, load_dataset, split_validation
from bnnedge.data.encodings import fit_encoding
from bnnedge.models.config import NetworkConfig
from bnnedge.tools import python_versions
from bnnedge.training.config import Progress, TrainingConfig

_LOG = logging.getLogger(__name__)


def train(
    network: NetworkConfig,
    data: DataConfig,
    training: TrainingConfig,
    out: Path,
    *,
    progress: Progress | None = None,
) -> Artifact:
    """Train a network into the folder `out`.

    The folder holds `checkpoint.pt`, `checkpoint.json` and `test.npz` (see
    `bnnedge.models.checkpoint`). The weights are those of the epoch with the best accuracy on
    validation data; the test set is measured once, at the end.

    Args:
        network: the layers.
        data: the data set and the input encoding.
        training: the optimiser.
        out: folder to publish.
        progress: called after every epoch.

    Raises:
        DataError: the data set is missing or damaged.
        ConfigError: `out` is not ours to replace.
    """
    dataset = load_dataset(data.dataset, data.folder)
    identity = {
        "name": dataset.name.value,
        "sha256": dataset.sha256(),
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
    }
    # Where the files lie on this machine is no part of what was trained.
    config = {
        "network": to_json(network),
        "data": to_json(dataclasses.replace(data, folder=None)),
        "training": to_json(training),
    }

    def write(folder: Path) -> Mapping[str, Any]:
        return _train(network, data, training, dataset, config, identity, folder, progress)

    return stage(
        "train",
        out,
        write,
        config={**config, "dataset": identity},
        tools=lambda: python_versions("torch", "brevitas", "numpy"),
    )


def _train(
    network: NetworkConfig,
    data: DataConfig,
    training: TrainingConfig,
    dataset: Dataset,
    config: Mapping[str, Any],
    identity: Mapping[str, Any],
    folder: Path,
    progress: Progress | None,
) -> Mapping[str, Any]:
    import torch

    from bnnedge.models.checkpoint import save_checkpoint
    from bnnedge.models.mlp import Mlp
    from bnnedge.training.loop import accuracy, encode, fit, reproducible

    start = time.perf_counter()
    train_split, validation_split = split_validation(
        dataset.train, data.validation_fraction, data.seed
    )
    encoding = fit_encoding(data, train_split.images)
    with reproducible(training):
        model = Mlp(
            input_shape=dataset.input_shape,
            thresholds=encoding.thresholds.tolist(),
            hidden=network.widths,
            classes=len(dataset.classes),
        )
        fitting, validation, test = (
            encode(model, torch.from_numpy(split.inputs), torch.from_numpy(split.labels))
            for split in (train_split, validation_split, dataset.test)
        )
        trained = fit(model, fitting, validation, training, progress)
        metrics = {
            "best_epoch": trained.best_epoch,
            "train_accuracy": accuracy(trained.model, fitting),
            "validation_accuracy": accuracy(trained.model, validation),
            "test_accuracy": accuracy(trained.model, test),
            "train_images": len(train_split),
            "validation_images": len(validation_split),
            "test_images": len(dataset.test),
            "seconds": round(time.perf_counter() - start, 3),
        }
    _LOG.info("trained %s: %s", network.topology.value, metrics)
    save_checkpoint(
        folder,
        trained.model,
        {
            "encoding": encoding.name,
            "input_range": list(dataset.input_range),
            "classes": list(dataset.classes),
            "dataset": dict(identity),
            "config": dict(config),
            "metrics": metrics,
            "history": to_json(trained.history),
        },
        dataset.test.images,
        dataset.test.labels,
    )
    return metrics
