"""How files of the user's own become inputs: what a recipe says, and what a network keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from bnnedge.errors import ConfigError
from bnnedge.records import later

MOST_EDGES = 255
_MOST_PIXELS = 4096  # of a side
_LEAST_WINDOW = 16


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
        categories: columns of words: each word in them becomes an input of its own, 255 where it
            stands, else 0.
        header: whether the first row names the columns.
        delimiter: between values; None: the one of `,`, `;` and tab that the first row has most of.

    Raises:
        ConfigError: the delimiter is no single character, or columns without names are named.
    """

    label: int | str
    ignore: tuple[int | str, ...] = ()
    header: bool = True
    delimiter: str | None = None
    categories: tuple[int | str, ...] | None = later()

    def __post_init__(self) -> None:
        check_delimiter(self.delimiter)
        named = (self.label, *self.ignore, *(self.categories or ()))
        if not self.header and any(isinstance(name, str) for name in named):
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
        word: of a column of words: its value is 1 where this word stands, else 0; None: of numbers.

    Raises:
        ConfigError: there are too many edges, or they do not increase.
    """

    name: str
    edges: tuple[float, ...]
    word: str | None = later()

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


@dataclass(frozen=True, kw_only=True)
class RecordingsReading:
    """What becomes of every recording: uint8 (1, bands, frames), see `bnnedge.data.mel`.

    Attributes:
        rate_hz: that all recordings have to have.
        seconds: of each, cut or padded with zeros behind.
        mix: whether recordings of several channels are taken, as the mean of these.
        bands: mel bands from 20 Hz to half the rate.
        frames: windows, evenly over the time.
        window_ms: length of a window.

    Raises:
        ConfigError: a number is out of range.
    """

    rate_hz: int = 16_000
    seconds: float = 1.0
    mix: bool = False
    bands: int = 32
    frames: int = 32
    window_ms: float = 40.0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("rate_hz", 1000, 384_000),
            ("seconds", 0.01, 600),
            ("bands", 1, 256),
            ("frames", 1, 4096),
            ("window_ms", 1, 1000),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigError(f"{name} wants {least:,}…{most:,}, got {value:,}")
        if self.window < _LEAST_WINDOW:
            raise ConfigError(
                f"window_ms wants {_LEAST_WINDOW} samples or more, got {self.window} at"
                f" {self.rate_hz} Hz"
            )
        if self.frames > self.samples:
            raise ConfigError(
                f"frames wants at most one a sample, {self.samples}, got {self.frames}"
            )

    @property
    def samples(self) -> int:
        """Of a recording."""
        return round(self.rate_hz * self.seconds)

    @property
    def window(self) -> int:
        """Samples of a window."""
        return round(self.rate_hz * self.window_ms / 1000)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an input: (1, bands, frames)."""
        return (1, self.bands, self.frames)


Reading = PicturesReading | TableReading | RecordingsReading
READINGS: Mapping[str, type[Reading]] = {
    kind.__name__: kind for kind in (PicturesReading, TableReading, RecordingsReading)
}
