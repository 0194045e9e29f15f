"""Reading data sets: IDX files good and bad, splits that do not overlap."""

import gzip
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bnnedge.data.config import DatasetName
from bnnedge.data.datasets import load_dataset, split_validation
from bnnedge.data.idx import read_idx
from bnnedge.data.splits import stratified
from bnnedge.errors import DataError


def _idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def _mnist(folder: Path, train: int = 30, test: int = 10) -> None:
    rng = np.random.default_rng(0)
    for stem, count in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (count, 28, 28))
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(_idx(images))
        labels = gzip.compress(_idx(np.arange(count) % 10))
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(labels)


def test_plain_and_gzipped_files_are_read(tmp_path: Path) -> None:
    _mnist(tmp_path)
    dataset = load_dataset(DatasetName.MNIST, tmp_path)
    assert dataset.train.images.shape == (30, 1, 28, 28)
    assert dataset.input_shape == (1, 28, 28) and dataset.input_range == (0, 255)
    assert dataset.test.labels.tolist() == list(range(10))
    assert dataset.test.inputs.dtype == np.float32
    again = load_dataset(DatasetName.MNIST, tmp_path)
    assert dataset.sha256() == again.sha256()


def test_missing_files_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte\[.gz\] is not in .*bnnedge fetch"
    ):
        load_dataset(DatasetName.FASHION_MNIST, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing"),
        (b"<html>", "is a web page, wanted an IDX file"),
        (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "wanted IDX type 0x08"),
        (_idx(np.zeros((4, 5)))[:-1], r"truncated or damaged: header says \(4, 5\)"),
        (_idx(np.zeros((4, 5))) + b"\0", "truncated or damaged"),
        (b"\0\0\x08\x03\0\0", "truncated or damaged"),
        (gzip.compress(_idx(np.zeros((400, 50))), mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8b\x08\0damaged beyond repair", "cannot be read"),
    ],
)
def test_damaged_files_are_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_wrong_shapes_and_labels_are_refused(tmp_path: Path) -> None:
    _mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx(np.arange(9))))
    with pytest.raises(DataError, match=r"N labels, got \(10, 28, 28\) and \(9,\)"):
        load_dataset(DatasetName.MNIST, tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx(np.arange(10) + 1)))
    with pytest.raises(DataError, match="labels below 10, got 10"):
        load_dataset(DatasetName.MNIST, tmp_path)


@pytest.mark.smoke
def test_digits_are_split_the_same_way_every_time_and_by_class() -> None:
    dataset = load_dataset(DatasetName.DIGITS)
    assert len(dataset.train) + len(dataset.test) == 1797
    assert dataset.input_shape == (64,) and dataset.train.images.max() == 16
    share = np.bincount(dataset.test.labels) / np.bincount(dataset.train.labels)
    assert share.min() > 0.24 and share.max() < 0.26
    assert dataset.sha256() == load_dataset(DatasetName.DIGITS).sha256()


def test_validation_is_taken_out_of_training_by_seed() -> None:
    digits = load_dataset(DatasetName.DIGITS)
    train = digits.train
    fitting, validation = split_validation(digits, 0.1, 3)
    assert len(fitting) + len(validation) == len(train)
    rest, held_out = stratified(train.labels, 0.1, 3)
    assert not set(rest) & set(held_out)
    assert np.array_equal(train.labels[held_out], validation.labels)
    assert not np.array_equal(held_out, stratified(train.labels, 0.1, 4)[1])
    assert set(validation.labels) == set(range(10))


def test_no_more_is_unpacked_than_the_header_says(tmp_path: Path) -> None:
    bomb = gzip.compress(_idx(np.zeros(4)) + bytes(2**24))
    (tmp_path / "x.gz").write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"header says \(4,\), more bytes are there"):
        read_idx(tmp_path / "x.gz")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    (tmp_path / "x").write_bytes(struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3))
    with pytest.raises(DataError, match="wanted at most 4 axes and 256 MiB"):
        read_idx(tmp_path / "x")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="wanted a file, got a device or a pipe"):
        read_idx(tmp_path / "pipe")
    with pytest.raises(DataError, match="wanted a file, got a device or a pipe"):
        read_idx(Path("/dev/zero"))
