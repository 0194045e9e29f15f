"""Which data a network sees and what its first layer takes of them, as a recipe writes it."""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import ConfigError, raise_faults
from bnnedge.reading import PicturesReading, RecordingsReading, TableConfig
from bnnedge.records import later

_TEST_FRACTION = 0.2
_MOST_INPUTS = 65536


class DatasetName(enum.Enum):
    """The data sets that bnnedge reads."""

    DIGITS = "digits"
    MNIST = "mnist"
    FASHION_MNIST = "fashion-mnist"
    CIFAR_10 = "cifar-10"
    SVHN = "svhn"
    SPEECH_COMMANDS = "speech-commands"
    OWN = "own"
    NPZ = "npz"
    IMAGES = "images"
    CSV = "csv"
    WAV = "wav"

    @property
    def is_users(self) -> bool:
        """Whether it is whatever the user has."""
        return self not in _INPUT_SHAPES

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input; not of the user's own data, see `DataConfig.input_shape`."""
        return _INPUT_SHAPES[self]

    @property
    def description(self) -> str:
        """In a line, for people."""
        return _DESCRIPTIONS[self]

    @property
    def largest_value(self) -> int:
        """Of the raw values, which begin at 0."""
        return 16 if self is DatasetName.DIGITS else 255


_DESCRIPTIONS: Mapping[DatasetName, str] = {
    DatasetName.DIGITS: "Handwritten digits of 8 by 8 pixels and 17 greys; come with scikit-learn",
    DatasetName.MNIST: "Handwritten digits of 28 by 28 bytes; `bnnedge fetch mnist`",
    DatasetName.FASHION_MNIST: "Clothing, 28 by 28 bytes; `bnnedge fetch fashion-mnist`",
    DatasetName.CIFAR_10: "Things, 32 by 32 pixels in colour; `bnnedge fetch cifar-10` says where",
    DatasetName.SVHN: "House numbers, 32 by 32 pixels in colour; `bnnedge fetch svhn` says where",
    DatasetName.SPEECH_COMMANDS: (
        "Spoken words as 32 by 32 log-mel bytes; `bnnedge fetch speech-commands` says where"
    ),
    DatasetName.OWN: "Arrays of yours in a folder, or those of an installed package",
    DatasetName.NPZ: "Arrays of yours in one .npz file",
    DatasetName.IMAGES: "Pictures of yours, in a folder for each class",
    DatasetName.CSV: "A table of yours, with a column of classes",
    DatasetName.WAV: "Recordings of yours, in a folder for each class",
}
_INPUT_SHAPES: Mapping[DatasetName, tuple[int, ...]] = {
    DatasetName.DIGITS: (64,),
    DatasetName.MNIST: (1, 28, 28),
    DatasetName.FASHION_MNIST: (1, 28, 28),
    DatasetName.CIFAR_10: (3, 32, 32),
    DatasetName.SVHN: (3, 32, 32),
    DatasetName.SPEECH_COMMANDS: (1, 32, 32),
}


class EncodingKind(enum.Enum):
    """What the first layer takes of one input element: bits, or the 8-bit value as it is."""

    THRESHOLD = "threshold"
    THERMOMETER = "thermometer"
    FEATURE_THERMOMETER = "feature-thermometer"
    INTEGER = "integer"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The `[data]` section.

    Attributes:
        dataset: which data set.
        encoding: one threshold for all elements, a thermometer on quantiles of the training
            data, one for each feature (a column, or a channel) on its own quantiles, or the 8-bit
            integers as they are, for networks whose first layer takes those.
        threshold: an element at least this large is 1; for "threshold" only, in raw units.
        levels: bits per element; for the thermometers only.
        inputs: how many of these bits the network sees, those that say most of the training data
            (`bnnedge.data.selection`); all of them if not given. For dense layers and tables.
        folder: where the files are, as published; the user's cache if not given. For "own" it
            holds arrays: see `bnnedge.data.own`; for "images" and "wav" a folder for each class.
        package: for "own" instead of `folder`: what an installed package calls its data set.
        validation_fraction: share of the training data held out to select on, where the data set
            has no validation data of its own (speech-commands has).
        seed: picks the held-out images.
        images: what becomes of pictures; for "images" only.
        file: the table, for "csv", or the arrays, for "npz".
        csv: what its columns are; for "csv" only.
        wav: what recordings are and becomes of them; for "wav" only.
        test_fraction: share of every class that is kept for the test; for "csv", and for "images"
            and "wav" where they are not divided already; None: 0.2.

    Raises:
        ConfigError: an option is missing, out of range, or belongs to the other encoding.
    """

    dataset: DatasetName
    encoding: EncodingKind
    threshold: float | None = None
    levels: int | None = None
    folder: Path | None = None
    package: str | None = None
    validation_fraction: float = 0.1
    seed: int = 0
    images: PicturesReading | None = later()
    file: Path | None = None
    csv: TableConfig | None = later()
    wav: RecordingsReading | None = later()
    test_fraction: float | None = later()
    inputs: int | None = later()

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        for kinds, key in (
            ((EncodingKind.THRESHOLD,), "threshold"),
            ((EncodingKind.THERMOMETER, EncodingKind.FEATURE_THERMOMETER), "levels"),
        ):
            given = getattr(self, key) is not None
            if given != (self.encoding in kinds):
                yield ConfigError(
                    f"encoding {self.encoding.value} {'takes no' if given else 'wants'} {key}"
                )
        largest = self.dataset.largest_value
        if self.threshold is not None and not 0 < self.threshold <= largest:
            yield ConfigError(
                f"threshold wants a number above 0 and up to {largest}, the largest value of "
                f"{self.dataset.value}, got {self.threshold:g}: all inputs would be alike"
            )
        if self.levels is not None and not 1 <= self.levels <= largest:
            yield ConfigError(
                f"levels wants 1…{largest}, got {self.levels} for the {largest + 1} values of "
                f"{self.dataset.value}"
            )
        if self.inputs is not None and self.encoding is EncodingKind.INTEGER:
            yield ConfigError(
                "encoding integer takes no inputs",
                remedy='set encoding = "threshold" or "thermometer"',
            )
        if self.inputs is not None and not 1 <= self.inputs <= _MOST_INPUTS:
            yield ConfigError(f"inputs wants 1…{_MOST_INPUTS:,} bits, got {self.inputs}")
        if not 0 < self.validation_fraction < 1:
            yield ConfigError(
                f"validation_fraction wants a share between 0 and 1, got {self.validation_fraction}"
            )
        if self.seed < 0:
            yield ConfigError(f"seed wants a number of at least 0, got {self.seed}")
        if self.folder is not None and self.dataset is DatasetName.DIGITS:
            yield ConfigError("digits come with scikit-learn, got folder", remedy="remove folder")
        yield from self._faults_of_users()

    def _faults_of_users(self) -> Iterator[ConfigError]:
        own, pictures, table = DatasetName.OWN, DatasetName.IMAGES, DatasetName.CSV
        recordings = DatasetName.WAV
        if self.dataset is own and (self.folder is None) == (self.package is None):
            yield ConfigError("own data want folder, that of their arrays, or package")
        if self.dataset is pictures and self.folder is None:
            yield ConfigError("images want folder, which holds a folder of pictures for each class")
        if self.dataset is recordings and self.folder is None:
            yield ConfigError("wav wants folder, which holds a folder of recordings for each class")
        arrays = DatasetName.NPZ
        if self.dataset is arrays and self.file is None:
            yield ConfigError("npz wants file, that of the arrays")
        if self.dataset in (table, arrays) and self.folder is not None:
            yield ConfigError(f"{self.dataset.value} takes no folder", remedy="give file")
        if self.dataset is table:
            for key, wanted in (("file", "the table"), ("csv", 'csv = { label = "COLUMN" }')):
                if getattr(self, key) is None:
                    yield ConfigError(f"csv wants {key}, {wanted}")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            yield ConfigError(
                f"test_fraction wants a share between 0 and 1, got {self.test_fraction:g}"
            )
        for key, kinds in (
            ("package", (own,)),
            ("images", (pictures,)),
            ("file", (table, arrays)),
            ("csv", (table,)),
            ("wav", (recordings,)),
            ("test_fraction", (pictures, table, recordings)),
        ):
            if getattr(self, key) is not None and self.dataset not in kinds:
                yield ConfigError(f"{self.dataset.value} takes no {key}")

    @property
    def pictures(self) -> PicturesReading:
        """How pictures are read."""
        return self.images or PicturesReading()

    @property
    def recordings(self) -> RecordingsReading:
        """How recordings are read."""
        return self.wav or RecordingsReading()

    @property
    def test_share(self) -> float:
        """`test_fraction`, or its default."""
        return _TEST_FRACTION if self.test_fraction is None else self.test_fraction

    @property
    def place(self) -> Path | None:
        """Where the files are; None: in the user's cache.

        Raises:
            DataError: no installed package has a data set of that name.
        """
        if self.dataset is DatasetName.NPZ:
            return self.file
        from bnnedge.data.own import installed_folder  # numpy, which `bnnedge --help` does without

        return self.folder if self.package is None else installed_folder(self.package)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input.

        Raises:
            DataError: of data of the user's own, which are not there.
        """
        if self.dataset is DatasetName.IMAGES:
            return self.pictures.shape
        if self.dataset is DatasetName.WAV:
            return self.recordings.shape
        if self.dataset is DatasetName.CSV:
            assert self.file is not None and self.csv is not None
            from bnnedge.data.tables import count_features

            return (count_features(self.file, self.csv),)
        if self.dataset in (DatasetName.OWN, DatasetName.NPZ):
            assert self.place is not None
            from bnnedge.data.own import own_shape

            return own_shape(self.place)
        return self.dataset.input_shape
