"""Which data a network sees and what its first layer takes of them, as a recipe writes it."""

import enum
import math
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import ConfigError


class DatasetName(enum.Enum):
    """The data sets that bnnedge reads."""

    DIGITS = "digits"
    MNIST = "mnist"
    FASHION_MNIST = "fashion-mnist"
    CIFAR_10 = "cifar-10"
    SVHN = "svhn"
    SPEECH_COMMANDS = "speech-commands"


class EncodingKind(enum.Enum):
    """What the first layer takes of one input element: bits, or the 8-bit value as it is."""

    THRESHOLD = "threshold"
    THERMOMETER = "thermometer"
    INTEGER = "integer"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The `[data]` section.

    Attributes:
        dataset: which data set.
        encoding: one threshold for all elements, a thermometer on quantiles of the training
            data, or the 8-bit integers as they are, for networks whose first layer takes those.
        threshold: an element at least this large is 1; for "threshold" only, in raw units.
        levels: bits per element; for "thermometer" only.
        folder: where the files are, as published; the user's cache if not given.
        validation_fraction: share of the training data held out to select on, where the data set
            has no validation data of its own (speech-commands has).
        seed: picks the held-out images.

    Raises:
        ConfigError: an option is missing, out of range, or belongs to the other encoding.
    """

    dataset: DatasetName
    encoding: EncodingKind
    threshold: float | None = None
    levels: int | None = None
    folder: Path | None = None
    validation_fraction: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, key in (
            (EncodingKind.THRESHOLD, "threshold"),
            (EncodingKind.THERMOMETER, "levels"),
        ):
            given = getattr(self, key) is not None
            if given != (self.encoding is kind):
                raise ConfigError(
                    f"encoding {self.encoding.value} {'takes no' if given else 'wants'} {key}"
                )
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ConfigError(f"threshold wants a finite number, got {self.threshold}")
        if self.levels is not None and not 1 <= self.levels <= 255:
            raise ConfigError(f"levels wants 1…255, got {self.levels}")
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(
                f"validation_fraction wants a share between 0 and 1, got {self.validation_fraction}"
            )
        if self.folder is not None and self.dataset is DatasetName.DIGITS:
            raise ConfigError("digits come with scikit-learn, got folder", remedy="remove folder")
