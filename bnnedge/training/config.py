"""How a network is trained, as a recipe writes it, and what an epoch came to."""

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bnnedge.errors import ConfigError, raise_faults
from bnnedge.files import located
from bnnedge.models.config import NetworkConfig

_MOST_THREADS = 1024


class Loss(enum.Enum):
    """What is minimised; see `bnnedge.training.loss`."""

    CROSS_ENTROPY = "cross_entropy"
    SQUARED_HINGE = "squared_hinge"


class Device(enum.Enum):
    """Where training computes; `AUTO` is a GPU where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def _at_least(config: object, **bounds: int) -> Iterator[ConfigError]:
    for key, least in bounds.items():
        if getattr(config, key) < least:
            yield ConfigError(f"{key} wants at least {least}, got {getattr(config, key)}")


def _share(config: object, *keys: str) -> Iterator[ConfigError]:
    for key in keys:
        if not 0 <= getattr(config, key) < 1:
            yield ConfigError(f"{key} wants a share from 0 to below 1, got {getattr(config, key)}")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """The `[training.augment]` section: random changes to every training image, every epoch.

    What moves in from outside an image is 0.

    Attributes:
        shift: pixels that an image moves by at most, in both directions.
        flip: mirror half of the images left to right.
        rotate: degrees that an image turns by at most, either way.
        scale: share of its size that an image grows or shrinks by at most.
        erase: side, in pixels, of a square at a random place that becomes 0 ("Cutout", DeVries
            and Taylor 2017; the square is cut where it reaches over the edge).

    Raises:
        ConfigError: a value is out of range.
    """

    shift: int = 0
    flip: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    erase: int = 0

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        yield from _at_least(self, shift=0, erase=0)
        yield from _share(self, "scale")
        if not 0 <= self.rotate <= 180:
            yield ConfigError(f"rotate wants 0…180 degrees, got {self.rotate}")

    @property
    def is_active(self) -> bool:
        """Whether any image is changed at all."""
        return self != AugmentConfig()

    def require_images(self, shape: tuple[int, ...]) -> None:
        """Raise unless inputs of that shape can be changed so.

        Raises:
            ConfigError: they are no images, or smaller than what is erased or moved.
        """
        if self.is_active and len(shape) not in (2, 3):
            raise ConfigError(
                f"augment wants images (H, W) or (C, H, W), got inputs {shape}",
                remedy="remove [training.augment]",
            )
        if self.is_active and min(shape[-2:]) <= max(self.shift, self.erase):
            raise ConfigError(
                f"augment wants shift and erase below the image's {min(shape[-2:])} pixels, "
                f"got {self.shift} and {self.erase}"
            )


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """The `[training.distill]` section: how much is learnt from the `[teacher]`.

    Attributes:
        temperature: divides both networks' logits.
        weight: share of the teacher in the loss; the labels have the rest.

    Raises:
        ConfigError: a value is out of range.
    """

    temperature: float = 4.0
    weight: float = 0.5

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        if not 0 < self.temperature <= 100:
            yield ConfigError(f"temperature wants a number in (0, 100], got {self.temperature}")
        if not 0 < self.weight <= 1:
            yield ConfigError(f"weight wants a share above 0 and up to 1, got {self.weight}")


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """The `[training.compute]` section: where and how it is computed.

    Attributes:
        device: processor or GPU.
        threads: torch's; part of the recipe because it fixes the order of float32 sums. Small
            networks gain little from a second one, and on a busy machine lose much (its OpenMP
            threads wait for each other at every one of many short operations).
        amp: forward and backward passes in bfloat16; weights and evaluation stay float32.
        compile: let torch.compile fuse the network's operations.
        channels_last: keep images with their channels innermost: quicker for some networks.
        deterministic: forbid GPU operations whose results differ between runs. A processor's
            never do.

    Raises:
        ConfigError: a value is out of range.
    """

    device: Device = Device.AUTO
    threads: int = 1
    amp: bool = False
    compile: bool = False
    channels_last: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= _MOST_THREADS:
            raise ConfigError(f"threads wants 1…{_MOST_THREADS}, got {self.threads}")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The `[training]` section: Adam, its rate falling to 0 along a half cosine.

    Attributes:
        epochs: passes over the training data.
        batch_size: images per step; a shorter last batch is left out of its epoch.
        learning_rate: Adam's, at its peak.
        warmup_epochs: epochs in which the rate rises linearly; part of `epochs`.
        loss: what is minimised.
        label_smoothing: share of a label that goes to all classes alike; cross-entropy only.
        dropout: share of the inputs of every layer that is left out in training.
        retune_norms: after training, take the statistics of every BatchNorm anew over all
            training images, and keep them if the validation accuracy does not drop.
        seed: of weights, order, dropout and augmentation; the same seed gives the same network.
        augment: random changes to the training images.
        distill: how much is learnt from a teacher.
        compute: where and how it is computed.

    Raises:
        ConfigError: a value is out of range, or options exclude each other.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: int = 0
    loss: Loss = Loss.CROSS_ENTROPY
    label_smoothing: float = 0.0
    dropout: float = 0.0
    retune_norms: bool = False
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    distill: DistillConfig | None = None
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        yield from _at_least(self, epochs=1, batch_size=2, warmup_epochs=0, seed=0)
        yield from _share(self, "dropout", "label_smoothing")
        if not 0 < self.learning_rate < 10:
            yield ConfigError(
                f"learning_rate wants a number between 0 and 10, got {self.learning_rate}"
            )
        if self.warmup_epochs >= self.epochs > 0:
            yield ConfigError(
                f"warmup_epochs wants less than the {self.epochs} epochs, got {self.warmup_epochs}"
            )
        if self.label_smoothing and self.loss is not Loss.CROSS_ENTROPY:
            yield ConfigError(
                f"label_smoothing goes with cross_entropy, got loss {self.loss.value}",
                remedy="remove one of them",
            )


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """The `[teacher]` section: the network that a student is distilled from.

    It is either trained first, from `network` and `training`, on the student's data set with
    8-bit integer inputs; or it is a checkpoint that exists.

    Attributes:
        network: the layers.
        training: the optimiser.
        checkpoint: a folder that `bnnedge train` wrote; relative to the recipe.

    Raises:
        ConfigError: not one of the two, or a teacher with a teacher.
    """

    network: NetworkConfig | None = None
    training: TrainingConfig | None = None
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        missing = self.network is None, self.training is None
        if missing != ((False, False) if self.checkpoint is None else (True, True)):
            yield ConfigError("teacher wants either network and training, or checkpoint")
        if self.training is not None and self.training.distill is not None:
            yield ConfigError("a teacher has no teacher, got distill", remedy="remove distill")

    def relative_to(self, folder: Path) -> "TeacherConfig":
        """The same with `checkpoint` looked for in `folder`."""
        if self.checkpoint is None:
            return self
        return dataclasses.replace(self, checkpoint=located(self.checkpoint, folder))


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One epoch's figures; `epoch` counts from 1, the learning rate is that of its first step."""

    epoch: int
    epochs: int
    loss: float
    learning_rate: float
    validation_accuracy: float
    seconds: float

    def __str__(self) -> str:
        accuracy = f"validation accuracy {self.validation_accuracy:.2%}"
        return f"epoch {self.epoch} of {self.epochs}, {accuracy}"
