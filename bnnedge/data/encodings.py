"""Input encodings: what a network's first layer takes of a raw element.

Thresholds make ±1 inputs: bit = x >= threshold, in float32. With L thresholds, the bit of element
i (in C order) and threshold k is at index i · L + k, lowest threshold first, so a thermometer
fills from bit 0 upwards. All elements share them, or those of a feature do: what the first axis of
an input counts, such as columns (F,), or channels (C, L) and (C, H, W). A network may see only
some of the bits, in their order. `IntegerEncoding` takes the raw integers themselves.
"""

import abc
import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.config import DataConfig, EncodingKind
from bnnedge.data.selection import choose_bits, sample
from bnnedge.errors import ConfigError, DataError
from bnnedge.records import later


class Encoding(abc.ABC):
    """How raw elements become a first layer's inputs."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What the encoding is called in records."""


@dataclass(frozen=True, kw_only=True)
class ThresholdsEncoding(Encoding):
    """Thresholds shared by all elements of an input, or by those of a feature.

    Attributes:
        selected: the bits that the network sees, by their indices, increasing; None: all.

    Raises:
        ConfigError: `selected` does not increase from 0 on, or is empty.
    """

    kind: ClassVar[str]
    selected: tuple[int, ...] | None = later()

    def __post_init__(self) -> None:
        if self.selected is None:
            return
        steps = itertools.pairwise((-1, *self.selected))
        if not self.selected or any(after <= before for before, after in steps):
            raise ConfigError(f"selected wants increasing indices of bits, got {self.selected[:9]}")

    @property
    def name(self) -> str:
        """See `Encoding`."""
        return self.kind if self.selected is None else f"selected_{self.kind}"

    @property
    @abc.abstractmethod
    def thresholds(self) -> NDArray[np.float32]:
        """Strictly increasing float32 (L,), in raw input units; or (features, L), increasing."""

    @property
    def bits_each(self) -> int:
        """Bits of an element, L."""
        return int(self.thresholds.shape[-1])

    def width(self, elements: int) -> int:
        """Bits of an input of so many elements."""
        return elements * self.bits_each if self.selected is None else len(self.selected)

    def bits(self, x: NDArray[Any]) -> NDArray[np.uint8]:
        """Raw inputs (N, *shape) of any real dtype → bits uint8 (N, `width`)."""
        rows = self.thresholds.reshape(-1, self.bits_each)
        flat = x.reshape(len(x), len(rows), -1, 1).astype(np.float32)
        bits = (flat >= rows[:, None]).astype(np.uint8).reshape(len(x), -1)
        return bits if self.selected is None else bits[:, self.selected]


@dataclass(frozen=True, kw_only=True)
class OneBitThreshold(ThresholdsEncoding):
    """One bit per element: 1 from `threshold` upwards."""

    kind = "one_bit_threshold"
    threshold: float

    @property
    def thresholds(self) -> NDArray[np.float32]:
        """See `Encoding`."""
        return np.array([self.threshold], np.float32)


@dataclass(frozen=True, kw_only=True)
class QuantileThermometer(ThresholdsEncoding):
    """Several bits per element, at thresholds that split the training data evenly."""

    kind = "quantile_thermometer"
    levels: tuple[float, ...]

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
        if len(values) <= levels:
            raise DataError(
                f"a thermometer of {levels} levels wants {levels + 1} different values in the "
                f"training data, got {len(values)}",
                remedy="lower levels",
            )
        return cls(levels=_quantiles(values[1:], counts[1:], levels))


@dataclass(frozen=True, kw_only=True)
class FeatureThermometer(ThresholdsEncoding):
    """A thermometer for each feature: thresholds that split its own training data evenly.

    Attributes:
        features: a row of as many thresholds for each.
    """

    kind = "feature_thermometer"
    features: tuple[tuple[float, ...], ...]

    @property
    def thresholds(self) -> NDArray[np.float32]:
        """See `Encoding`; where a feature has few values, some of its thresholds are equal."""
        return np.array(self.features, np.float32)

    @classmethod
    def fit(cls, training: NDArray[Any], levels: int) -> "FeatureThermometer":
        """Thresholds from training data alone, each feature's as those of `QuantileThermometer`.

        Where a feature has too few values, the largest threshold fills up the row, so that some
        bits are equal; where it has one value, they are 1.

        Args:
            training: raw inputs (N, features, …).
            levels: number of thresholds, ≥ 1.
        """
        found = []
        for feature in np.moveaxis(np.asarray(training, np.float32), 1, 0):
            values, counts = np.unique(feature, return_counts=True)
            most = min(levels, len(values) - 1)
            row = _quantiles(values[1:], counts[1:], most) if most else (float(values[0]),)
            found.append(row + row[-1:] * (levels - len(row)))
        return cls(features=tuple(found))


def _quantiles(
    values: NDArray[np.float32], counts: NDArray[np.int64], levels: int
) -> tuple[float, ...]:
    """Thresholds at quantiles of at least `levels` values, see `QuantileThermometer.fit`."""
    share = np.cumsum(counts) / counts.sum()
    index = np.searchsorted(share, np.arange(1, levels + 1) / (levels + 1))
    steps = np.arange(levels)
    index = np.maximum.accumulate(index - steps) + steps  # each after the one before
    index = np.minimum(index, len(values) - levels + steps)  # leaving room for the ones after
    return tuple(float(value) for value in values[index])


@dataclass(frozen=True, kw_only=True)
class IntegerEncoding(Encoding):
    """Unsigned integers of `bits` bits, as they are."""

    bits: int = 8

    @property
    def name(self) -> str:
        """See `Encoding`."""
        return f"uint{self.bits}"


def fit_encoding(config: DataConfig, training: NDArray[Any]) -> Encoding:
    """The encoding that a recipe names, fitted on training inputs where it needs data.

    Raises:
        DataError: the training data are too much alike for it.
    """
    encoding: ThresholdsEncoding
    if config.threshold is not None:
        encoding = OneBitThreshold(threshold=config.threshold)
    elif config.levels is not None:
        each = config.encoding is EncodingKind.FEATURE_THERMOMETER
        kind = FeatureThermometer if each else QuantileThermometer
        encoding = kind.fit(training, config.levels)
    else:  # DataConfig has one of the two for every other kind
        return IntegerEncoding()
    if config.inputs is None:
        return encoding
    chosen = choose_bits(encoding.bits(sample(training)), config.inputs)
    return dataclasses.replace(encoding, selected=chosen)
