"""How a network is trained, as a recipe writes it, and what is heard of it meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass

from bnnedge.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The `[training]` section: Adam on cross-entropy, its rate falling to 0 along a half cosine.

    Attributes:
        epochs: passes over the training data.
        batch_size: images per step; a shorter last batch is left out of its epoch.
        learning_rate: Adam's, at the start.
        dropout: share of the input bits of every layer that is left out in training.
        seed: of the weights and of the order of images; the same seed gives the same network.
        threads: torch's; part of the recipe because it fixes the order of float32 sums. These
            networks are small: a second thread gains little, and on a busy machine loses much
            (its OpenMP threads wait for each other at every one of many short operations).

    Raises:
        ConfigError: a value is out of range.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    dropout: float = 0.0
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        for key, least in (("epochs", 1), ("batch_size", 2), ("threads", 1), ("seed", 0)):
            if getattr(self, key) < least:
                raise ConfigError(f"{key} wants at least {least}, got {getattr(self, key)}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout wants a share from 0 to below 1, got {self.dropout}")
        if not 0 < self.learning_rate < 10:
            raise ConfigError(
                f"learning_rate wants a number between 0 and 10, got {self.learning_rate}"
            )


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One epoch's figures; `epoch` counts from 1."""

    epoch: int
    epochs: int
    loss: float
    validation_accuracy: float
    seconds: float


Progress = Callable[[EpochReport], None]
