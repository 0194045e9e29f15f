"""How files of the user's own become inputs: what a recipe says, and what a network keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from bnnedge.errors import ConfigError

MOST_EDGES = 255
_MOST_PIXELS = 4096  # of a side


@dataclass(frozen=True, kw_only=True)
class PicturesReading:
    """What becomes of every picture: uint8 (channels, height, width).

    Attributes:
        size: height and width. The largest part in the middle that has this form is taken, and
            resized bilinearly.
        grey: one channel of brightness, not three of red, green and blue.

    Raises:
        ConfigError: a number is out of range.
    """

    size: tuple[int, int] = (32, 32)
    grey: bool = False

    def __post_init__(self) -> None:
        if not all(1 <= side <= _MOST_PIXELS for side in self.size):
            got = list(self.size)
            raise ConfigError(f"size wants height and width of 1…{_MOST_PIXELS}, got {got}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an input: (channels, height, width)."""
        return (1 if self.grey else 3, *self.size)


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """What the columns of a table are; they are named, or counted from 0 (-1: the last).

    Attributes:
        label: the column of classes.
        ignore: columns that are left out.
        header: whether the first row names the columns.
        delimiter: between values; None: the one of `,`, `;` and tab that the first row has most of.

    Raises:
        ConfigError: the delimiter is no single character, or columns without names are named.
    """

    label: int | str
    ignore: tuple[int | str, ...] = ()
    header: bool = True
    delimiter: str | None = None

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)
        if not self.header and any(isinstance(name, str) for name in (self.label, *self.ignore)):
            raise ConfigError("columns have no names without a header: give their numbers, from 0")


def check_delimiter(given: str | None) -> None:
    """Raise unless that stands between values. Raises ConfigError."""
    if given is not None and (len(given) != 1 or given in '" \r\n\0'):
        raise ConfigError(f"delimiter wants one character, got {given[:20]!r}")


@dataclass(frozen=True, kw_only=True)
class Feature:
    """What makes a byte of a number.

    Attributes:
        name: of the column.
        edges: increasing; a value that reaches k of the n becomes round(255 · k / n).

    Raises:
        ConfigError: there are too many edges, or they do not increase.
    """

    name: str
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in pairwise(self.edges))
        if len(self.edges) > MOST_EDGES or not rising:
            raise ConfigError(f"edges: wanted at most {MOST_EDGES}, each above the one before")


@dataclass(frozen=True, kw_only=True)
class TableReading:
    """What becomes of every row of a table: uint8 (features,).

    Attributes:
        features: of the columns, in order.
        label: the column of classes, where there is one.
        header: see `TableConfig`.
        delimiter: see `TableConfig`.

    Raises:
        ConfigError: the delimiter is no single character.
    """

    features: tuple[Feature, ...]
    label: str
    header: bool = True
    delimiter: str | None = None

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an input."""
        return (len(self.features),)


Reading = PicturesReading | TableReading
READINGS: Mapping[str, type[Reading]] = {
    kind.__name__: kind for kind in (PicturesReading, TableReading)
}
