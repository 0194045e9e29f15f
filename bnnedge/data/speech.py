"""Speech Commands (Warden 2018): one-second words as log-mel spectrograms of 8-bit values.

The feature is fixed (see `bnnedge.data.mel`): 16 kHz samples, cut or padded with zeros behind to
one second; 32 windows of 40 ms, one every 31.25 ms; 32 mel bands.
"""

import io
import struct
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.mel import mel_features
from bnnedge.errors import DataError
from bnnedge.files import is_file, read_bytes_bounded, read_text_bounded
from bnnedge.reading import RecordingsReading

_READING = RecordingsReading()
RATE_HZ = _READING.rate_hz
_MOST_LIST_BYTES = 2**22
_MOST_WAV_BYTES = 2**22
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}


def read_speech_commands(
    folder: Path,
) -> tuple[tuple[str, ...], dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]]:
    """The words, and features uint8 (N, 1, 32, 32) and labels of "train", "validation", "test".

    Every folder of recordings is a class, in alphabetical order; the parts are those of the
    publisher's lists.

    Raises:
        DataError: a list or a recording is missing or damaged.
    """
    listed = {part: _listed(path) for part, path in find_lists(folder).items()}
    words = tuple(sorted({path.parent.name for path in folder.glob("[!_.]*/*.wav")}))
    every = {f"{word}/{path.name}" for word in words for path in (folder / word).glob("*.wav")}
    for part, names in listed.items():
        missing = sorted(names - every)
        if missing:
            raise DataError(
                f"speech-commands: {_LISTS[part]} names {missing[0][:80]!a}, which is not in"
                f" {folder}"
            )
    rest = every - listed["validation"] - listed["test"]
    parts = {}
    for part, names in {"train": rest, **listed}.items():
        if not names:
            raise DataError(f"speech-commands: {folder} has no recordings for {part}")
        features = np.stack([features_of(_samples(folder / name)) for name in sorted(names)])
        labels = np.array([words.index(name.split("/")[0]) for name in sorted(names)], np.int64)
        parts[part] = features[:, None], labels
    return words, parts


def find_lists(folder: Path) -> dict[str, Path]:
    """The publisher's lists of "validation" and "test". Raises DataError if one is missing."""
    for name in _LISTS.values():
        if not is_file(folder / name):
            raise DataError(
                f"speech-commands: {name} is not in {folder}",
                remedy="unpack speech_commands_v0.02.tar.gz there, or set [data] folder",
            )
    return {part: folder / name for part, name in _LISTS.items()}


def _listed(path: Path) -> set[str]:
    return set(read_text_bounded(path, _MOST_LIST_BYTES, raises=DataError).split())


def _samples(path: Path) -> NDArray[np.int16]:
    content = read_bytes_bounded(path, _MOST_WAV_BYTES, raises=DataError)
    try:
        with wave.open(io.BytesIO(content)) as recording:
            got = recording.getparams()
            samples = recording.readframes(min(got.nframes, len(content)))
    except (wave.Error, EOFError, RuntimeError, struct.error) as error:
        raise DataError(f"{path} is damaged: {error or 'it is truncated'}") from error
    if (got.nchannels, got.sampwidth, got.framerate) != (1, 2, RATE_HZ):
        raise DataError(
            f"{path}: wanted 16-bit mono at {RATE_HZ} Hz, got {8 * got.sampwidth}-bit on"
            f" {got.nchannels} channels at {got.framerate} Hz"
        )
    if len(samples) != 2 * got.nframes:
        raise DataError(f"{path} is damaged: it is truncated")
    return np.frombuffer(samples, "<i2").astype(np.int16, copy=False)


def features_of(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Samples at 16 kHz → uint8 (32 bands, lowest first; 32 frames)."""
    return mel_features(samples / 2**15, _READING)
