"""Input encodings: what a network's first layer takes of a raw element.

Thresholds make ±1 inputs: bit = x >= threshold, in float32. With L thresholds, the bit of element
i (in C order) and threshold k is at index i · L + k, lowest threshold first, so a thermometer
fills from bit 0 upwards. `IntegerEncoding` takes the raw integers themselves.
"""

import abc
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.config import DataConfig
from bnnedge.errors import DataError


class Encoding(abc.ABC):
    """How raw elements become a first layer's inputs; the same for all elements."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the encoding is called in records."""


class ThresholdsEncoding(Encoding):
    """Thresholds shared by all elements of an input."""

    @property
    @abc.abstractmethod
    def thresholds(self) -> NDArray[np.float32]:
        """Strictly increasing float32 (L,), in raw input units."""

    def bits(self, x: NDArray[Any]) -> NDArray[np.uint8]:
        """Raw inputs (N, *shape) of any real dtype → bits uint8 (N, elements · L)."""
        flat = x.reshape(len(x), -1, 1).astype(np.float32)
        return (flat >= self.thresholds).astype(np.uint8).reshape(len(x), -1)


@dataclass(frozen=True, kw_only=True)
class OneBitThreshold(ThresholdsEncoding):
    """One bit per element: 1 from `threshold` upwards."""

    threshold: float

    @property
    def name(self) -> str:
        """See `Encoding`."""
        return "one_bit_threshold"

    @property
    def thresholds(self) -> NDArray[np.float32]:
        """See `Encoding`."""
        return np.array([self.threshold], np.float32)


@dataclass(frozen=True, kw_only=True)
class QuantileThermometer(ThresholdsEncoding):
    """Several bits per element, at thresholds that split the training data evenly."""

    levels: tuple[float, ...]

    @property
    def name(self) -> str:
        """See `Encoding`."""
        return "quantile_thermometer"

    @property
    def thresholds(self) -> NDArray[np.float32]:
        """See `Encoding`."""
        return np.array(self.levels, np.float32)

    @classmethod
    def fit(cls, training: NDArray[Any], levels: int) -> "QuantileThermometer":
        """Thresholds from training data alone.

        The smallest value is background (most of an image is often exactly black): the
        thresholds are the k/(levels+1) quantiles of the values above it. Where several quantiles
        fall on one value, the later ones move to the next larger values that occur, so that
        every bit is 0 for some training value and 1 for another.

        Args:
            training: raw inputs of any shape.
            levels: number of thresholds, ≥ 1.

        Raises:
            DataError: the data hold fewer than levels + 1 different values.
        """
        values, counts = np.unique(np.asarray(training, np.float32), return_counts=True)
        values, counts = values[1:], counts[1:]
        if len(values) < levels:
            raise DataError(
                f"a thermometer of {levels} levels wants {levels + 1} different values in the "
                f"training data, got {len(values) + 1}",
                remedy="lower levels",
            )
        share = np.cumsum(counts) / counts.sum()
        index = np.searchsorted(share, np.arange(1, levels + 1) / (levels + 1))
        steps = np.arange(levels)
        index = np.maximum.accumulate(index - steps) + steps  # each after the one before
        index = np.minimum(index, len(values) - levels + steps)  # leaving room for the ones after
        return cls(levels=tuple(float(value) for value in values[index]))


@dataclass(frozen=True, kw_only=True)
class IntegerEncoding(Encoding):
    """Unsigned integers of `bits` bits, as they are."""

    bits: int = 8

    @property
    def name(self) -> str:
        """See `Encoding`."""
        return f"uint{self.bits}"


def fit_encoding(config: DataConfig, training: NDArray[Any]) -> Encoding:
    """The encoding that a recipe names, fitted on training inputs where it needs data."""
    if config.threshold is not None:
        return OneBitThreshold(threshold=config.threshold)
    if config.levels is not None:
        return QuantileThermometer.fit(training, config.levels)
    return IntegerEncoding()  # DataConfig has one of the two for every other kind
