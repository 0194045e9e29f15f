"""The stage: recipe in, checkpoint folder out. torch is imported only when there is work."""

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact, sha256_of
from bnnedge.data.config import DataConfig, EncodingKind
from bnnedge.data.datasets import Dataset, Split, load_data, split_validation
from bnnedge.data.encodings import fit_encoding
from bnnedge.dataflow.meaning import Meaning
from bnnedge.errors import CheckpointError, ConfigError
from bnnedge.files import load_json
from bnnedge.models.config import NetworkConfig
from bnnedge.progress import Progress, named, silent
from bnnedge.records import to_json
from bnnedge.tools import python_versions
from bnnedge.training.config import EpochReport, TeacherConfig, TrainingConfig
from bnnedge.training.facts import CHECKPOINT_RECORD, TRAIN, TrainingFacts
from bnnedge.training.work import WorkFolder
from bnnedge.training.workers import Workers, workers

if TYPE_CHECKING:
    import torch

    from bnnedge.models.network import Network
    from bnnedge.training.inputs import Examples

_WEIGHTS = "checkpoint.pt"
_ROOM_MIB = 256  # state.pt and the checkpoint of the largest network of the zoo, twice
_LOG = logging.getLogger(__name__)


@checked
def train(
    network: NetworkConfig,
    data: DataConfig,
    training: TrainingConfig,
    out: Path,
    *,
    teacher: TeacherConfig | None = None,
    progress: Progress = silent,
) -> Artifact[TrainingFacts]:
    """Train a network into the folder `out`.

    The folder holds `checkpoint.pt`, `checkpoint.json` and `test.npz` (see
    `bnnedge.models.checkpoint`), `history.csv` and TensorBoard's logs. The weights are those of
    the epoch with the best accuracy on validation data; the test set is measured once, at the end.

    An interrupted training goes on where its last epoch ended, and gives what it would have given
    without the interruption (see `bnnedge.training.work`). A teacher is trained first, into the
    folder `<out>.teacher`. Processes started by torchrun share the work.

    Args:
        network: the layers.
        data: the data set and the input encoding.
        training: the optimiser.
        out: folder to publish.
        teacher: the network to distil, where `training.distill` is set.
        progress: called after every epoch, of the teacher's own training, too.

    Raises:
        DataError: the data set is missing or damaged.
        ConfigError: options do not belong together.
        ArtifactError: `out` holds something else, or another training.
        CheckpointError: the teacher's checkpoint cannot be read.
        TrainingError: the training diverged.
    """
    if (teacher is None) != (training.distill is None):
        raise ConfigError(
            "[teacher] and [training.distill] go together, got only "
            + ("[training.distill]" if teacher is None else "[teacher]")
        )
    TRAIN.present(out)  # not only after a teacher's training
    dataset = load_data(data)
    job = _Job(network=network, data=data, training=training, dataset=dataset)
    own = None if teacher is None else teacher.training
    devices = [config.compute.device for config in (training, own) if config is not None]
    with workers(*devices) as group:
        taught_by = None if teacher is None else _teacher(teacher, job, out, group, progress)
        return _train(job, out, taught_by, group, progress)


def _train(
    job: "_Job", out: Path, taught_by: Path | None, group: Workers, progress: Progress
) -> Artifact[TrainingFacts]:
    """Train one network into `out`, its teacher's checkpoint folder being there."""
    config = {**job.config(taught_by), "dataset": job.identity()}
    inputs = () if taught_by is None else (taught_by / _WEIGHTS,)
    work = WorkFolder(out, config, inputs)

    def write(folder: Path) -> TrainingFacts:
        group.tell(True)
        return job.run(folder, taught_by, work, group, progress)

    if group.is_leader:
        artifact = TRAIN.publish(
            out,
            write,
            config=config,
            inputs=inputs,
            tools=lambda: python_versions("torch", "brevitas", "numpy"),
            room_mib=_ROOM_MIB,
        )
        group.tell(False)
        work.remove()
        return artifact
    while group.tell(None):  # once if the leader has work to do, else not at all
        job.run(None, taught_by, work, group, progress)
    return TRAIN.load(out)


def _teacher(
    config: TeacherConfig, student: "_Job", out: Path, group: Workers, progress: Progress
) -> Path:
    """The teacher's checkpoint folder, trained now where it is not there already."""
    if config.checkpoint is not None:
        require_checkpoint(config.checkpoint)
        return config.checkpoint
    assert config.network is not None and config.training is not None  # TeacherConfig
    folder = out.with_name(f"{out.name}.teacher")
    data = dataclasses.replace(
        student.data, encoding=EncodingKind.INTEGER, threshold=None, levels=None
    )
    job = dataclasses.replace(student, network=config.network, data=data, training=config.training)
    _train(job, folder, None, group, named(progress, "teacher, "))
    return folder


def require_checkpoint(folder: Path) -> None:
    """Raise unless a teacher's checkpoint is there.

    Raises:
        CheckpointError: it is not.
    """
    for name in (_WEIGHTS, CHECKPOINT_RECORD):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"teacher {folder}: {name} is missing",
                remedy="give the folder that `bnnedge train` wrote",
            )


def _teacher_record(folder: Path) -> dict[str, Any]:
    """Who taught, in the words of its own record: the same whether it was trained here or given."""
    path = folder / CHECKPOINT_RECORD
    try:
        config = load_json(path, raises=CheckpointError)["config"]
        own = {section: config[section] for section in ("network", "training")}
    except (CheckpointError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"teacher {folder}: {path.name} does not say how it was trained ({error!r})",
            remedy="give the folder that `bnnedge train` wrote",
        ) from error
    return {**own, "weights_sha256": sha256_of(folder / _WEIGHTS)}


def without_places(data: Mapping[str, Any]) -> dict[str, Any]:
    """A record of the data that does not say where the files lie on this machine."""
    record = {**data, "folder": None}
    return {key: value for key, value in record.items() if key not in ("package", "file")}


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One network to train on one data set."""

    network: NetworkConfig
    data: DataConfig
    training: TrainingConfig
    dataset: Dataset

    def config(self, taught_by: Path | None) -> dict[str, Any]:
        """What was asked for, without where the files lie on this machine."""
        return {
            "network": to_json(self.network),
            "data": without_places(to_json(self.data)),
            "training": to_json(self.training),
            "teacher": None if taught_by is None else _teacher_record(taught_by),
        }

    def identity(self) -> dict[str, Any]:
        """Which data were there."""
        return {
            "name": self.dataset.name.value,
            "sha256": self.dataset.sha256(),
            "train_images": len(self.dataset.train),
            "test_images": len(self.dataset.test),
        }

    def run(
        self,
        folder: Path | None,
        taught_by: Path | None,
        work: WorkFolder,
        group: Workers,
        progress: Progress,
    ) -> TrainingFacts:
        """Train; the leader writes into `folder` what a checkpoint consists of."""
        from bnnedge.models.zoo import build_network
        from bnnedge.training.inputs import Inputs
        from bnnedge.training.loop import accuracy, fit, reproducible
        from bnnedge.training.workers import torch_device

        start = time.perf_counter()
        dataset = self.dataset
        train_split, validation_split = split_validation(
            dataset, self.data.validation_fraction, self.data.seed
        )
        encoding = fit_encoding(self.data, train_split.images)
        device = torch_device(self.training.compute.device)
        with reproducible(self.training, device):
            model = build_network(
                self.network,
                input_shape=dataset.input_shape,
                encoding=encoding,
                classes=len(dataset.classes),
            ).to(device)
            fitting, validation, test = (
                _examples(split, device) for split in (train_split, validation_split, dataset.test)
            )
            trained = fit(
                model,
                fitting,
                validation,
                self.training,
                teacher=None if taught_by is None else self._load_teacher(taught_by, device),
                work=work,
                workers=group,
                on_epoch=_telling(progress),
            )
            model = trained.model
            metrics = TrainingFacts(
                best_epoch=trained.best_epoch,
                train_accuracy=accuracy(model, Inputs(model, fitting)),
                validation_accuracy=accuracy(model, Inputs(model, validation)),
                test_accuracy=accuracy(model, Inputs(model, test)),
                train_images=len(train_split),
                validation_images=len(validation_split),
                test_images=len(dataset.test),
                norms_retuned=trained.norms_retuned,
                seconds=round(time.perf_counter() - start, 3),
            )
        _LOG.info("trained %s: %s", self.network.topology.value, metrics)
        if folder is not None:
            found = {"config": self.config(taught_by), "metrics": to_json(metrics)}
            self._save(folder, model.cpu(), found | {"history": to_json(trained.history)})
            work.publish(folder)
        return metrics

    def _save(self, folder: Path, model: "Network", found: Mapping[str, Any]) -> None:
        """Write the checkpoint, with what its record says of network and training."""
        from bnnedge.models.checkpoint import save_checkpoint

        dataset = self.dataset
        record = {
            "input_range": list(dataset.input_range),
            "classes": list(dataset.classes),
            "dataset": self.identity(),
            **Meaning(reading=dataset.reading).record(),
            **found,
        }
        save_checkpoint(folder, model, record, dataset.test.images, dataset.test.labels)

    def _load_teacher(self, folder: Path, device: "torch.device") -> "Network":
        from bnnedge.models.checkpoint import load_checkpoint

        model = load_checkpoint(folder).model
        wanted = (self.dataset.input_shape, len(self.dataset.classes))
        if (model.input_shape, model.classes) != wanted:
            raise ConfigError(
                f"teacher {folder} wants inputs {model.input_shape} and gives {model.classes} "
                f"classes; the data set has {wanted[0]} and {wanted[1]}"
            )
        return model.to(device)


def _telling(progress: Progress) -> Callable[[EpochReport], None]:
    """What tells of an epoch."""
    return lambda epoch: progress(str(epoch), epoch.epoch / epoch.epochs)


def _examples(split: Split, device: "torch.device") -> "Examples":
    import torch

    from bnnedge.training.inputs import Examples

    images, labels = torch.from_numpy(split.images), torch.from_numpy(split.labels)
    return Examples(images=images.to(device), labels=labels.to(device))
