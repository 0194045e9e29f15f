"""CIFAR-10, SVHN and Speech Commands, from small folders of the published formats."""

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat, wavfile

from bnnedge.data import svhn
from bnnedge.data.cifar import CLASSES, read_cifar10
from bnnedge.data.config import DatasetName
from bnnedge.data.datasets import Dataset, load_dataset, split_validation
from bnnedge.data.speech import features_of
from bnnedge.data.svhn import read_svhn
from bnnedge.errors import DataError

_NAMES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
_ALL = _NAMES["train"] + _NAMES["test"]


def _cifar_batches(count: int = 4) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (count, 3072), np.uint8), rng.integers(0, 10, count))
        for name in _ALL
    }


def _write_binary(folder: Path, batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for name, (pixels, labels) in batches.items():
        records = np.concatenate([labels[:, None].astype(np.uint8), pixels], 1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())


def _assert_holds(dataset: Dataset, batches: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    assert dataset.classes == CLASSES and dataset.input_shape == (3, 32, 32)
    for part, split in (("train", dataset.train), ("test", dataset.test)):
        pixels, labels = (
            np.concatenate(a) for a in zip(*(batches[name] for name in _NAMES[part]), strict=True)
        )
        assert np.array_equal(split.images.reshape(len(split), -1), pixels)
        assert np.array_equal(split.labels, labels) and split.labels.dtype == np.int64


def test_cifar_is_read_from_the_binary_version(tmp_path: Path) -> None:
    batches = _cifar_batches()
    (folder := tmp_path / "cifar-10-batches-bin").mkdir()
    _write_binary(folder, batches)
    for place in (folder, tmp_path):
        _assert_holds(load_dataset(DatasetName.CIFAR_10, place), batches)


# The published files were written by Python 2; protocol 2 of Python 3 is the nearest to that.
@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar_is_read_from_the_python_version(tmp_path: Path, protocol: int) -> None:
    batches = _cifar_batches()
    for name, (pixels, labels) in batches.items():
        record = {b"batch_label": name.encode(), b"labels": labels.tolist(), b"data": pixels}
        (tmp_path / name).write_bytes(pickle.dumps(record, protocol))
    _assert_holds(load_dataset(DatasetName.CIFAR_10, tmp_path), batches)


def _python2_pickle(pixels: np.ndarray, labels: list[int]) -> bytes:
    """What Python 2 wrote: byte strings as text (opcode U or T), numpy's old module names."""

    def text(value: bytes) -> bytes:
        if len(value) < 256:
            return b"U" + bytes([len(value)]) + value
        return b"T" + len(value).to_bytes(4, "little") + value

    def number(value: int) -> bytes:
        return b"K" + bytes([value])

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
        + number(0)
        + b"\x85"
        + text(b"b")
        + b"tR("
        + number(1)
        + number(len(labels))
        + b"M\x00\x0c\x86"
        + b"cnumpy\ndtype\n("
        + text(b"u1")
        + number(0)
        + number(1)
        + b"tR("
        + number(3)
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        + number(0)
        + b"tb"
        + b"\x89"
        + text(pixels.tobytes())
        + b"tb"
    )
    listed = b"](" + b"".join(map(number, labels)) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + listed + b"u."


def test_cifar_as_python_2_wrote_it(tmp_path: Path) -> None:
    batches = _cifar_batches()
    for name, (pixels, labels) in batches.items():
        (tmp_path / name).write_bytes(_python2_pickle(pixels, labels.tolist()))
    _assert_holds(load_dataset(DatasetName.CIFAR_10, tmp_path), batches)


class _Malice:
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.write_text, (Path("/dev/null"), "owned")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            pickle.dumps({b"data": _Malice(), b"labels": []}, 2),
            "it asks for .*, which is no",
        ),
        (pickle.dumps({b"data": eval, b"labels": []}), "it asks for builtins.eval"),
        (pickle.dumps({b"data": np.array([None, [1]], object), b"labels": []}), "wanted uint8"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}), "and N labels"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [10]}), "labels 0…9"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [-1]}), "labels 0…9"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8)}), "damaged or no batch"),
        (pickle.dumps([1, 2]), "damaged or no batch"),
        (pickle.dumps({b"data": np.zeros((4, 3072), np.uint8)})[:-500], "damaged or no batch"),
        (b"", "damaged or no batch"),
    ],
)
def test_cifar_pickles_are_read_for_numbers_only(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_cifar10(tmp_path, "test")
    assert "\n" not in str(caught.value)


def test_cifar_that_is_missing_or_damaged_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cifar-10: data_batch_1.bin is not in .* — unpack"):
        load_dataset(DatasetName.CIFAR_10, tmp_path)
    _write_binary(tmp_path, _cifar_batches())
    whole = (tmp_path / "data_batch_3.bin").read_bytes()
    for content, message in (
        (whole[:-1], "data_batch_3.bin is truncated .* multiple of 3073 bytes, got 12291"),
        (b"", "got 0"),
        (b"\x0a" + whole[1:], "labels 0…9"),
    ):
        (tmp_path / "data_batch_3.bin").write_bytes(content)
        with pytest.raises(DataError, match=message):
            load_dataset(DatasetName.CIFAR_10, tmp_path)


def _write_svhn(folder: Path, part: str, images: np.ndarray, labels: object) -> None:
    savemat(folder / f"{part}_32x32.mat", {"X": images, "y": labels}, do_compression=True)


def test_svhn_is_turned_to_channels_first_and_its_tens_are_zeros(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (32, 32, 3, 10), np.uint8)
    for part in ("train", "test"):
        _write_svhn(tmp_path, part, images, np.arange(1, 11, dtype=np.uint8)[:, None])
    dataset = load_dataset(DatasetName.SVHN, tmp_path)
    assert dataset.test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert dataset.train.images.shape == (10, 3, 32, 32)
    assert np.array_equal(dataset.train.images[7, 2], images[:, :, 2, 7])

    _write_svhn(tmp_path, "test", images, np.arange(10)[:, None])
    with pytest.raises(DataError, match="wanted labels 1…10, got 0…9"):
        load_dataset(DatasetName.SVHN, tmp_path)
    _write_svhn(tmp_path, "test", images[..., :9], np.arange(10)[:, None] + 1)
    with pytest.raises(DataError, match=r"wanted uint8 X .* got uint8 \(32, 32, 3, 9\)"):
        load_dataset(DatasetName.SVHN, tmp_path)
    savemat(tmp_path / "test_32x32.mat", {"X": images})
    with pytest.raises(DataError, match="is damaged: 'y'"):
        load_dataset(DatasetName.SVHN, tmp_path)
    content = (tmp_path / "train_32x32.mat").read_bytes()
    page = b"<html>nothing here</html>" * 20
    for damaged in (content[:200], content[:-300], b"", page):
        (tmp_path / "train_32x32.mat").write_bytes(damaged)
        wanted = "a web page, wanted a MATLAB file" if damaged == page else "damaged"
        with pytest.raises(DataError, match=f"train_32x32.mat is {wanted}"):
            load_dataset(DatasetName.SVHN, tmp_path)
    (tmp_path / "train_32x32.mat").unlink()
    with pytest.raises(DataError, match="svhn: train_32x32.mat is not in"):
        load_dataset(DatasetName.SVHN, tmp_path)


def _write_speech(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for word in ("yes", "no", "_background_noise_"):
        (folder / word).mkdir()
        for index in range(4):
            samples = rng.integers(-9999, 9999, 16000 - 500 * index, np.int16)
            wavfile.write(folder / word / f"{index}.wav", 16000, samples)
    (folder / "validation_list.txt").write_text("no/1.wav\nyes/2.wav\n")
    (folder / "testing_list.txt").write_text("yes/0.wav\n")


def test_speech_is_split_as_its_lists_say(tmp_path: Path) -> None:
    _write_speech(tmp_path)
    dataset = load_dataset(DatasetName.SPEECH_COMMANDS, tmp_path)
    assert dataset.classes == ("no", "yes") and dataset.input_shape == (1, 32, 32)
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1]
    fitting, validation = split_validation(dataset, 0.5, 0)
    assert fitting is dataset.train and validation.labels.tolist() == [0, 1]
    _, samples = wavfile.read(tmp_path / "yes" / "0.wav")
    assert np.array_equal(dataset.test.images[0, 0], features_of(samples))
    before = dataset.sha256()
    (tmp_path / "validation_list.txt").write_text("no/1.wav\n")
    assert load_dataset(DatasetName.SPEECH_COMMANDS, tmp_path).sha256() != before


def test_speech_that_is_missing_or_damaged_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"validation_list.txt is not in .* — unpack"):
        load_dataset(DatasetName.SPEECH_COMMANDS, tmp_path)
    _write_speech(tmp_path)
    (tmp_path / "testing_list.txt").write_text("yes/9.wav\n")
    with pytest.raises(DataError, match="testing_list.txt names .yes/9.wav., which is not in"):
        load_dataset(DatasetName.SPEECH_COMMANDS, tmp_path)
    (tmp_path / "testing_list.txt").write_text("")
    with pytest.raises(DataError, match="has no recordings for test"):
        load_dataset(DatasetName.SPEECH_COMMANDS, tmp_path)
    (tmp_path / "testing_list.txt").write_text("yes/0.wav")
    wavfile.write(tmp_path / "no" / "0.wav", 8000, np.zeros(8000, np.int16))
    with pytest.raises(DataError, match=r"no/0.wav: wanted 16-bit mono .* at 8000 Hz"):
        load_dataset(DatasetName.SPEECH_COMMANDS, tmp_path)
    for damaged in (b"", b"RIFF", b"<html>"):
        (tmp_path / "no" / "0.wav").write_bytes(damaged)
        with pytest.raises(DataError, match="no/0.wav is damaged"):
            load_dataset(DatasetName.SPEECH_COMMANDS, tmp_path)


def test_a_tone_lights_its_band_and_silence_none() -> None:
    assert features_of(np.zeros(16000, np.int16)).max() == 0
    assert features_of(np.zeros(0, np.int16)).shape == (32, 32)
    time = np.arange(16000) / 16000
    bands = []
    for hertz in (300, 1000, 3000):
        tone = np.round(32767 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)
        features = features_of(tone)[:, 4:28]
        assert (features == features[:, :1]).mean() > 0.5 and 245 <= features.max() <= 254
        bands.append(int(features.sum(1).argmax()))
        mel = 2595 * np.log10(1 + np.array([20, 8000, hertz]) / 700)
        assert abs(bands[-1] - ((mel[2] - mel[0]) / (mel[1] - mel[0]) * 33 - 1)) < 1
    half = features_of((tone // 2).astype(np.int16))[bands[-1], 10]
    assert int(features[bands[-1], 6]) - int(half) == pytest.approx(6.02 * 255 / 90, abs=1)
    late = np.concatenate([np.zeros(8000, np.int16), tone[:8000], tone])
    features = features_of(late)
    assert features[:, :14].max() == 0 and features[:, 18:].max() > 200  # cut after one second


def test_sizes_are_looked_at_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svhn, "_MOST_BYTES", 2**20)
    savemat(
        tmp_path / "test_32x32.mat",
        {"X": np.zeros((32, 32, 3, 400), np.uint8), "y": np.ones((400, 1))},
        do_compression=True,
    )
    tracemalloc.start()
    with pytest.raises(DataError, match=r"'X' of shape .* is larger than 1 MiB"):
        read_svhn(tmp_path, "test")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x96" + (2**40).to_bytes(8, "little"),  # a bytearray of a tebibyte
        b"\x80\x02}r\xff\xff\xff\xff",  # a memo of four billion entries
        b"\x80\x02(" + b"}" * 2**19,
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nJ\xff\xff\xff\x7ftR.",
        b"\x80\x02c_codecs\nencode\n(X\1\0\0\0aX\4\0\0\0zlibtR.",
    ],
)
def test_pickles_that_would_take_much_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test_batch").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError, match="test_batch is damaged or no batch|wanted"):
        read_cifar10(tmp_path, "test")
    assert tracemalloc.get_traced_memory()[1] < 2**28
    tracemalloc.stop()


def test_recordings_outside_of_the_folder_are_not_read(tmp_path: Path) -> None:
    _write_speech(tmp_path)
    (tmp_path / "testing_list.txt").write_text(f"{tmp_path}/yes/0.wav\n")
    with pytest.raises(DataError, match="testing_list.txt names .*, which is not in"):
        load_dataset(DatasetName.SPEECH_COMMANDS, tmp_path)
