"""What inputs and classes of a network mean: nothing of it changes a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.config import structure
from bnnedge.errors import BnnEdgeError, ConfigError, DataError, named
from bnnedge.files import read_text_bounded
from bnnedge.names import check_label, shown
from bnnedge.reading import READINGS, Reading
from bnnedge.records import to_json

_MOST_BYTES = 1 << 20  # of a file of names


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """Of a network's inputs and outputs.

    Attributes:
        class_names: by class; empty where they are only numbered.
        reading: how files become inputs; None: that is not known.
    """

    class_names: tuple[str, ...] = ()
    reading: Reading | None = None

    def __bool__(self) -> bool:
        return self != Meaning()

    def record(self) -> dict[str, Any]:
        """As JSON values; what is not known is left out."""
        found: dict[str, Any] = {}
        if self.class_names:
            found["class_names"] = list(self.class_names)
        if self.reading is not None:
            found["reading"] = {
                "op": type(self.reading).__name__,
                **to_json(self.reading),
            }
        return found

    @classmethod
    def of(cls, record: Any, *, source: str) -> "Meaning":
        """The inverse of `record`, not verified.

        Args:
            record: a JSON value.
            source: what an error calls it.

        Raises:
            ConfigError: a value is missing, unknown, or of another type; names it.
        """
        parts = structure(record, _Record, source=source)
        if parts.reading is None:
            return cls(class_names=parts.class_names)
        values = dict(parts.reading)
        kind = READINGS.get(str(values.pop("op", None)))
        if kind is None:
            raise ConfigError(f"{source}: reading: wanted an op of {', '.join(READINGS)}")
        reading: Reading = structure(values, kind, source=f"{source}: reading")
        return cls(class_names=parts.class_names, reading=reading)

    @classmethod
    def named(cls, classes: Sequence[str] | None) -> "Meaning":
        """Of classes that a caller names, or not.

        Raises:
            DataError: they are no names.
        """
        if classes is None:
            return cls()
        names = () if isinstance(classes, str) else tuple(classes)
        if not names or not all(isinstance(name, str) for name in names):
            raise DataError(f"classes: wanted a list of names, got {classes!r:.80}")
        return cls(class_names=names_of(names))

    def check(self, x: NDArray[Any], where: str = "input") -> None:
        """Raise unless inputs are such as files become, where they do: whole numbers of 0…255.

        Args:
            x: a batch.
            where: what an error calls it.

        Raises:
            DataError: one is another number.
        """
        if self.reading is None or x.dtype == np.uint8 or x.dtype.kind not in "biuf" or not x.size:
            return
        if not (x.min() >= 0 and x.max() <= 255) or (x != np.round(x)).any():  # NaN is neither
            raise DataError(
                f"{where}: wanted whole numbers of 0…255, as the network's files become, got"
                f" {x.min():g}…{x.max():g}",
                remedy="give the files to bnnedge predict, which reads them as the training did",
            )

    def verify(self, shape: tuple[int, ...], classes: int, *, raises: type[BnnEdgeError]) -> None:
        """Raise unless it fits a network.

        Args:
            shape: of an input.
            classes: how many there are.
            raises: what is raised.
        """
        names = self.class_names
        if names and (len(names) != classes or len(set(names)) != classes):
            raise raises(f"class_names: wanted {classes} different ones, got {len(names)}")
        for name in names:
            check_label(name, what="name of a class", raises=raises)
        if self.reading is not None and self.reading.shape != shape:
            raise raises(f"reading: gives inputs {self.reading.shape}, the network takes {shape}")


def read_classes(given: str) -> tuple[str, ...]:
    """Names of classes from the command line.

    Args:
        given: with commas between them, or a text file with one in each line.

    Raises:
        DataError: it is neither.
    """
    path = Path(given)
    if "," in given:
        names = given.split(",")
    elif path.is_file():
        names = read_text_bounded(path, _MOST_BYTES, raises=DataError).strip().splitlines()
    else:
        raise DataError(
            f"{named('classes')}: wanted names with commas between them, or a file with one a line,"
            f" got {shown(given)}"
        )
    return tuple(name.strip() for name in names)


def names_of(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Names worth keeping: those that say more than the numbers of the classes."""
    return () if classes == tuple(map(str, range(len(classes)))) else classes


@dataclass(frozen=True, kw_only=True)
class _Record:
    class_names: tuple[str, ...] = ()
    reading: dict[str, Any] | None = None
