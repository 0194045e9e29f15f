"""Kinds of files that are data of the user's own."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import wavfile

from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.datasets import load_data
from bnnedge.data.inputs import read_inputs
from bnnedge.dataflow import Meaning
from bnnedge.reading import PicturesReading, RecordingsReading, TableConfig
from bnnedge.recipe import Recipe
from tests.data.test_own import own_arrays
from tests.fuzz import mutations as how
from tests.fuzz.kind import NPZ, TOML, Kind, or_bytes
from tests.fuzz.mutations import BYTES

_FORMATS = ("png", "bmp", "gif", "jpeg", "ppm", "tiff", "webp")
_READINGS = {
    DatasetName.IMAGES: PicturesReading(size=(4, 5)),
    DatasetName.WAV: RecordingsReading(
        rate_hz=4000, seconds=0.05, bands=4, frames=3, window_ms=20, mix=True
    ),
}
_RECIPE = """\
name = "mine"
[network]
topology = "mlp"
hidden = [8]
[data]
dataset = "csv"
file = "x.csv"
csv = { label = "kind", ignore = ["id"], categories = ["colour"] }
encoding = "thermometer"
levels = 3
test_fraction = 0.3
[training]
epochs = 1
batch_size = 8
learning_rate = 0.02
"""


def _pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for number, form in enumerate(_FORMATS):
        pixels = rng.integers(0, 256, (6, 7, 3), np.uint8)
        for name in ("bright", "dark"):
            for copy in range(2):
                path = folder / "files" / name / f"{number}{copy}.{form}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)


def _recordings(folder: Path) -> None:
    rng = np.random.default_rng(0)
    sounds = [
        rng.integers(-9999, 9999, (200, 2), np.int16),
        rng.integers(0, 256, 200, np.uint8),
        rng.uniform(-1, 1, 200).astype(np.float32),
        rng.integers(-(1 << 30), 1 << 30, 200, np.int32),
    ]
    for number, samples in enumerate(sounds):
        for name in ("high", "low"):
            for copy in range(2):
                path = folder / "files" / name / f"{number}{copy}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                content = io.BytesIO()
                wavfile.write(content, 4000, samples)
                path.write_bytes(content.getvalue())


def _table(folder: Path) -> None:
    rows = [
        f'{number},{number / 7:.3f},"{("red", "blue", "dark, red")[number % 3]}",{"ab"[number % 2]}'
        for number in range(24)
    ]
    text = "\n".join(["id,x,colour,kind", *rows]) + "\n"
    (folder / "x.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (folder / "mine.toml").write_text(_RECIPE)


def _arrays(folder: Path) -> None:
    np.savez_compressed(folder / "x.npz", **own_arrays())


def _use_files(name: DatasetName, folder: Path) -> None:
    """As those to train with, and as those of a network that is there."""
    reading = _READINGS[name]
    meaning = Meaning(reading=reading)
    failed: Exception | None = None
    try:
        read_inputs(folder / "files", meaning)
    except Exception as error:
        failed = error
    key = "images" if name is DatasetName.IMAGES else "wav"
    more = {"folder": folder / "files", key: reading}
    load_data(DataConfig(dataset=name, encoding=EncodingKind.INTEGER, **more))
    if failed is not None:
        raise failed


def _use_table(folder: Path) -> None:
    data = load_data(
        DataConfig(
            dataset=DatasetName.CSV,
            encoding=EncodingKind.INTEGER,
            file=folder / "x.csv",
            csv=TableConfig(label="kind", ignore=("id",), categories=("colour",)),
        )
    )
    read_inputs(folder / "x.csv", Meaning(reading=data.reading))


def _use_arrays(folder: Path) -> None:
    load_data(
        DataConfig(dataset=DatasetName.NPZ, encoding=EncodingKind.INTEGER, file=folder / "x.npz")
    )


READERS: tuple[Kind, ...] = (
    Kind(
        name="pictures",
        make=_pictures,
        files=tuple(f"files/*/*.{form}" for form in _FORMATS),
        mutations=BYTES,
        read=lambda folder: _use_files(DatasetName.IMAGES, folder),
        share=3,
    ),
    Kind(
        name="recordings",
        make=_recordings,
        files=("files/*/*.wav",),
        mutations=BYTES,
        read=lambda folder: _use_files(DatasetName.WAV, folder),
        share=2,
    ),
    Kind(
        name="table",
        make=_table,
        files=("x.csv",),
        mutations=or_bytes(how.change_text),
        read=_use_table,
        share=3,
        command=("train", "{}/mine.toml", "-o", "{}/out"),
    ),
    Kind(
        name="recipe of one's own data",
        make=_table,
        files=("mine.toml",),
        mutations=TOML,
        read=lambda folder: Recipe.load(folder / "mine.toml") and None,
        share=2,
    ),
    Kind(
        name="arrays in one file",
        make=_arrays,
        files=("x.npz",),
        mutations=NPZ,
        read=_use_arrays,
        share=2,
    ),
)
