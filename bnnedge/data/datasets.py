"""Reading data sets: training and test data as they are published, labels and class names."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from bnnedge.arguments import checked
from bnnedge.data.cifar import CLASSES as CIFAR10_CLASSES
from bnnedge.data.cifar import read_cifar10, require_batches
from bnnedge.data.config import DataConfig, DatasetName
from bnnedge.data.idx import read_idx
from bnnedge.data.own import read_own, require_own
from bnnedge.data.speech import find_lists, read_speech_commands
from bnnedge.data.splits import stratified
from bnnedge.data.svhn import find_part, read_svhn
from bnnedge.data.users import read_users, require_users
from bnnedge.dataflow.meaning import Meaning, names_of
from bnnedge.errors import DataError, named
from bnnedge.extras import Extra, require
from bnnedge.files import is_file
from bnnedge.reading import Reading
from bnnedge.tools import cache_dir

DIGITS_TEST_FRACTION = 0.2
_DIGITS_TEST_SEED = 1797
# Which a name alone does not say how to read.
_DESCRIBED = (DatasetName.IMAGES, DatasetName.CSV, DatasetName.WAV)


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Images with labels.

    Attributes:
        images: uint8 (N, *shape), raw values.
        labels: int64 (N,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    @property
    def inputs(self) -> NDArray[np.float32]:
        """What a network takes: the raw values as float32 (N, *shape)."""
        return self.images.astype(np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> "Split":
        """The images at `index`, in that order."""
        return Split(images=self.images[index], labels=self.labels[index])


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A data set. `test` is for one measurement at the end; select on a part of `train`.

    Attributes:
        name: which one.
        classes: class names, by label.
        input_range: smallest and largest raw value.
        train: training data.
        test: test data.
        validation: what its publishers set apart to select on, if they did.
        reading: how files of the user's own were read.
    """

    name: DatasetName
    classes: tuple[str, ...]
    input_range: tuple[int, int]
    train: Split
    test: Split
    validation: Split | None = None
    reading: Reading | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.train.images.shape[1:]

    def sha256(self) -> str:
        """Identity of the data: hex sha256 over all images and labels.

        Where names of classes and what is read how are the user's, over these, too.
        """
        digest = hashlib.sha256()
        for split in filter(None, (self.train, self.test, self.validation)):
            digest.update(np.ascontiguousarray(split.images).tobytes())
            digest.update(split.labels.tobytes())
        meaning = Meaning(class_names=names_of(self.classes), reading=self.reading)
        if self.name.is_users and meaning:
            own = meaning.record()
            digest.update(json.dumps(own, sort_keys=True).encode())
        return digest.hexdigest()


def split_validation(dataset: Dataset, fraction: float, seed: int) -> tuple[Split, Split]:
    """What to train on and what to select on.

    A data set without validation data gives a `fraction` of its training data, stratified by
    class and fixed by `seed`.
    """
    train = dataset.train
    if dataset.validation is not None:
        return train, dataset.validation
    rest, held_out = stratified(train.labels, fraction, seed)
    return train.take(rest), train.take(held_out)


def load_data(config: DataConfig) -> Dataset:
    """Read the data set that a recipe describes.

    Raises:
        DataError: files are missing, damaged, or not what the recipe says.
    """
    if config.dataset in _DESCRIBED:
        found = read_users(config)
        return _dataset(config.dataset, found.classes, found.parts, found.reading)
    return load_dataset(config.dataset, config.place)


def require_data(config: DataConfig) -> None:
    """Raise unless the files are there that a recipe describes; of these only tables are read.

    Raises:
        DataError: a file is missing, a table not what it should be, or a class too small.
    """
    if config.dataset in _DESCRIBED:
        require_users(config)
    else:
        require_dataset(config.dataset, config.place)


@checked
def load_dataset(name: DatasetName, folder: Path | None = None) -> Dataset:
    """Read a data set.

    Args:
        name: which one.
        folder: where its files are, as published; by default where `fetch` puts them.

    Raises:
        DataError: files are missing, damaged, or not what the name says.
    """
    if name is DatasetName.DIGITS:
        return _digits()
    if name in _DESCRIBED:
        raise _described(name)
    return _READERS[name](folder or dataset_folder(name))


def require_dataset(name: DatasetName, folder: Path | None = None) -> None:
    """Raise unless the files of a data set are there; none is read.

    Args:
        name: which one.
        folder: what `load_dataset` takes.

    Raises:
        DataError: a file is missing.
    """
    folder = folder or dataset_folder(name)
    match name:
        case DatasetName.DIGITS:
            return
        case DatasetName.MNIST | DatasetName.FASHION_MNIST:
            for stem in IDX_STEMS.values():
                _find(folder, stem, name)
        case DatasetName.CIFAR_10:
            require_batches(folder)
        case DatasetName.SVHN:
            for part in ("train", "test"):
                find_part(folder, part)
        case DatasetName.SPEECH_COMMANDS:
            find_lists(folder)
        case DatasetName.OWN | DatasetName.NPZ:
            require_own(folder)
        case DatasetName.IMAGES | DatasetName.CSV | DatasetName.WAV:
            raise _described(name)
        case _:
            assert_never(name)


def _described(name: DatasetName) -> DataError:
    return DataError(
        f"{name.value}: a recipe's [data] says how they are read, got a name alone",
        remedy="`bnnedge evaluate --inputs` takes the files",
    )


def dataset_folder(name: DatasetName) -> Path:
    """Where `fetch` puts the files of a data set: inside the user's cache.

    Raises:
        DataError: they are the user's own, which are not there.
    """
    if name is DatasetName.OWN:
        raise DataError(
            "own data want the folder of their arrays, got none", remedy=f"give {named('folder')}"
        )
    if name.is_users:
        raise _described(name)
    return cache_dir() / "data" / str(name.value)


def _digits() -> Dataset:
    """UCI optical digits, 8×8, values 0…16; every fifth image of a class is kept for testing."""
    require("the data set digits", Extra.DATA)
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    everything = Split(images=pixels.astype(np.uint8), labels=labels.astype(np.int64))
    train, test = stratified(everything.labels, DIGITS_TEST_FRACTION, _DIGITS_TEST_SEED)
    return Dataset(
        name=DatasetName.DIGITS,
        classes=tuple("0123456789"),
        input_range=(0, DatasetName.DIGITS.largest_value),
        train=everything.take(train),
        test=everything.take(test),
    )


def _idx_reader(name: DatasetName, classes: tuple[str, ...]) -> Callable[[Path], Dataset]:
    def read(folder: Path) -> Dataset:
        parts = {key: read_idx(_find(folder, stem, name)) for key, stem in IDX_STEMS.items()}
        return Dataset(
            name=name,
            classes=classes,
            input_range=(0, 255),
            train=_split(folder, parts, "train", len(classes)),
            test=_split(folder, parts, "test", len(classes)),
        )

    return read


IDX_STEMS: Mapping[str, str] = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def _find(folder: Path, stem: str, name: DatasetName) -> Path:
    for path in (folder / stem, folder / f"{stem}.gz"):
        if is_file(path):
            return path
    raise DataError(
        f"{name.value}: {stem}[.gz] is not in {folder}",
        remedy=f"run `bnnedge fetch {name.value}` or set [data] folder",
    )


def _split(folder: Path, parts: Mapping[str, NDArray[np.uint8]], part: str, classes: int) -> Split:
    images, labels = parts[f"{part}_images"], parts[f"{part}_labels"]
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or not len(labels):
        raise DataError(
            f"{folder}: wanted {part} images (N, 28, 28) and N labels, "
            f"got {images.shape} and {labels.shape}"
        )
    if labels.max() >= classes:
        raise DataError(f"{folder}: wanted {part} labels below {classes}, got {labels.max()}")
    return Split(images=images[:, None], labels=labels.astype(np.int64))


def _cifar10(folder: Path) -> Dataset:
    train, test = (read_cifar10(folder, part) for part in ("train", "test"))
    return Dataset(
        name=DatasetName.CIFAR_10,
        classes=CIFAR10_CLASSES,
        input_range=(0, 255),
        train=Split(images=train[0], labels=train[1]),
        test=Split(images=test[0], labels=test[1]),
    )


def _svhn(folder: Path) -> Dataset:
    train, test = (read_svhn(folder, part) for part in ("train", "test"))
    return Dataset(
        name=DatasetName.SVHN,
        classes=tuple("0123456789"),
        input_range=(0, 255),
        train=Split(images=train[0], labels=train[1]),
        test=Split(images=test[0], labels=test[1]),
    )


def _speech_commands(folder: Path) -> Dataset:
    words, parts = read_speech_commands(folder)
    return _dataset(DatasetName.SPEECH_COMMANDS, words, parts)


def _own_reader(name: DatasetName) -> Callable[[Path], Dataset]:
    return lambda folder: _dataset(name, *read_own(folder))


def _dataset(
    name: DatasetName,
    classes: tuple[str, ...],
    parts: Mapping[str, tuple[NDArray[np.uint8], NDArray[np.int64]]],
    reading: Reading | None = None,
) -> Dataset:
    """Of bytes, with images and labels by part."""
    splits = {part: Split(images=images, labels=labels) for part, (images, labels) in parts.items()}
    return Dataset(
        name=name,
        classes=classes,
        input_range=(0, 255),
        train=splits["train"],
        test=splits["test"],
        validation=splits.get("validation"),
        reading=reading,
    )


_READERS: Mapping[DatasetName, Callable[[Path], Dataset]] = {
    DatasetName.MNIST: _idx_reader(DatasetName.MNIST, tuple("0123456789")),
    DatasetName.FASHION_MNIST: _idx_reader(
        DatasetName.FASHION_MNIST,
        (
            "t-shirt", "trouser", "pullover", "dress", "coat",
            "sandal", "shirt", "sneaker", "bag", "ankle boot",
        ),
    ),
    DatasetName.CIFAR_10: _cifar10,
    DatasetName.SVHN: _svhn,
    DatasetName.SPEECH_COMMANDS: _speech_commands,
    DatasetName.OWN: _own_reader(DatasetName.OWN),
    DatasetName.NPZ: _own_reader(DatasetName.NPZ),
}  # fmt: skip
