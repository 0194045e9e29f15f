"""Recordings in folders, one a class: whole, odd and damaged, and through a training."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import wavfile

import bnnedge
from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.datasets import load_data
from bnnedge.data.recordings import read_recording
from bnnedge.dataflow import Dataflow
from bnnedge.errors import DataError
from bnnedge.reading import RecordingsReading
from tests.data.recipes import lower_trained, require_refused

RATE_HZ = 4000
READING = RecordingsReading(rate_hz=RATE_HZ, seconds=0.2, bands=8, frames=10, window_ms=20)
RECIPE = f"""\
name = "tones"
[network]
topology = "mlp"
hidden = [8]
[data]
dataset = "wav"
folder = "tones"
encoding = "threshold"
threshold = 128.0
wav = {{ rate_hz = {RATE_HZ}, seconds = 0.2, bands = 8, frames = 10, window_ms = 20 }}
[training]
epochs = 15
batch_size = 4
learning_rate = 0.02
"""


def tone(hz: float, seconds: float = 0.2) -> NDArray[np.float64]:
    return 0.9 * np.sin(2 * np.pi * hz * np.arange(round(RATE_HZ * seconds)) / RATE_HZ)


def write(path: Path, samples: NDArray[Any], rate_hz: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate_hz, samples)
    return path


def tones(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for name, hz in (("high", 1500), ("low", 300)):
        for index in range(15):
            sound = (tone(hz + random.normal(0, 20)) * 2**14).astype(np.int16)
            write(folder / name / f"{index}.wav", sound)
    return folder


def wav_of_24_bits(samples: NDArray[np.float64]) -> bytes:
    words = (samples * (2**23 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    out = io.BytesIO()
    wavfile.write(out, RATE_HZ, np.zeros(1, np.int16))
    head = bytearray(out.getvalue()[:44])
    head[4:8] = (36 + len(words)).to_bytes(4, "little")
    head[28:36] = (3 * RATE_HZ).to_bytes(4, "little") + b"\3\0\x18\0"
    head[40:44] = len(words).to_bytes(4, "little")
    return bytes(head) + words


def test_every_format_gives_the_same_features(tmp_path: Path) -> None:
    sound = tone(1000)
    wanted = read_recording(write(tmp_path / "x.wav", sound.astype(np.float32)), READING)
    assert wanted.shape == READING.shape and wanted.max() > 230
    (tmp_path / "24.wav").write_bytes(wav_of_24_bits(sound))
    found = [read_recording(tmp_path / "24.wav", READING)]
    for samples in (sound * 2**15, sound * 2**31):
        kind = np.int16 if np.abs(samples).max() < 2**15 else np.int32
        found.append(read_recording(write(tmp_path / "x.wav", samples.astype(kind)), READING))
    coarse = read_recording(
        write(tmp_path / "x.wav", np.round(128 + sound * 127).astype(np.uint8)), READING
    )
    assert all(np.abs(each.astype(int) - wanted).max() <= 4 for each in found)
    assert np.abs(coarse.astype(int) - wanted)[wanted > 150].max() <= 2


def test_short_and_long_recordings_are_padded_and_cut(tmp_path: Path) -> None:
    short = read_recording(write(tmp_path / "x.wav", tone(1000, 0.1)), READING)
    assert short[0, :, :4].max() > 230 and not short[0, :, 6:].any()
    long = np.concatenate([tone(1000), tone(300, 3.0)])
    whole = read_recording(write(tmp_path / "y.wav", long), READING)
    assert (whole == read_recording(write(tmp_path / "z.wav", tone(1000)), READING)).all()


def test_channels_are_mixed_where_that_is_asked_for(tmp_path: Path) -> None:
    both = write(tmp_path / "x.wav", np.stack([tone(1000), tone(1000)], axis=1))
    with pytest.raises(DataError, match="x.wav: wanted one channel, got 2 — mix = true"):
        read_recording(both, READING)
    mixing = RecordingsReading(**(vars(READING) | {"mix": True}))
    alone = read_recording(write(tmp_path / "y.wav", tone(1000)), READING)
    assert (read_recording(both, mixing) == alone).all()


def _truncated() -> bytes:
    out = io.BytesIO()
    wavfile.write(out, RATE_HZ, np.ones(1000, np.int16))
    return out.getvalue()[:700]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.wav is damaged or no WAV of plain samples"),
        (b"RIFF\0\0\0\0WAVE", "x.wav is damaged or no WAV"),
        (b"ID3 an mp3", "x.wav is damaged or no WAV"),
        (_truncated(), "x.wav is damaged or no WAV"),
        (np.zeros(0, np.int16), "x.wav: wanted samples, got none|damaged"),
        (np.array([np.nan], np.float32), "x.wav: wanted finite samples, got NaN or infinity"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        write(path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_recording(path, READING)
    assert "\n" not in str(caught.value)


def test_other_rates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wanted 4000 Hz, got 44100 — resample it"):
        read_recording(write(tmp_path / "x.wav", tone(1000), 44_100), READING)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seconds = 0.2", "seconds = 0", r"seconds wants 0.01…600, got 0"),
        ("window_ms = 20", "window_ms = 2", "window_ms wants 16 samples or more, got 8 at 4000 Hz"),
        ("frames = 10", "frames = 801", "frames wants at most one a sample, 800, got 801"),
        ('folder = "tones"\n', "", "wav wants folder, which holds a folder of recordings for each"),
        ('"wav"', '"images"', "images takes no wav"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_said(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    require_refused(tmp_path, RECIPE.replace(old, new), message)


def test_a_class_wants_recordings(tmp_path: Path) -> None:
    (tones(tmp_path / "tones") / "silent").mkdir()
    config = DataConfig(
        dataset=DatasetName.WAV, folder=tmp_path / "tones", encoding=EncodingKind.INTEGER
    )
    with pytest.raises(DataError, match="silent: wanted files of .wav, it is empty"):
        load_data(config)


def test_recipe_with_recordings_trains_and_knows_new_ones(tmp_path: Path) -> None:
    tones(tmp_path / "tones")
    lower_trained(tmp_path, RECIPE, "tones")
    assert Dataflow.load(tmp_path / "dataflow").meaning.reading == READING
    assert bnnedge.evaluate(tmp_path / "dataflow", inputs=tmp_path / "tones").accuracy == 1
