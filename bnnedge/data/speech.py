"""Speech Commands (Warden 2018): one-second words as log-mel spectrograms of 8-bit values.

The feature is fixed: 16 kHz samples, cut or padded with zeros behind to one second; 32 windows of
40 ms (Hann), one every 31.25 ms; 32 triangular mel bands from 20 Hz to 8 kHz
(mel = 2595 · log10(1 + f/700)); the power of each, relative to a sine at full scale, from −90 dB
(0) to 0 dB (255).
"""

import functools
import io
import struct
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError
from bnnedge.files import is_file, read_bytes_bounded, read_text_bounded

RATE_HZ = 16000
BANDS = FRAMES = 32
_WINDOW, _HOP, _FFT = 640, 500, 1024
_FLOOR_DB = -90.0
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
    """Samples at 16 kHz → uint8 (32 bands, lowest first; 32 frames); see the module."""
    signal = np.zeros((FRAMES - 1) * _HOP + _WINDOW)
    count = min(len(samples), RATE_HZ)
    signal[:count] = samples[:count] / 2**15
    window = np.hanning(_WINDOW)
    frames = np.lib.stride_tricks.sliding_window_view(signal, _WINDOW)[::_HOP] * window
    # All bins of a sine at full scale add up to 1 (Parseval).
    power = np.abs(np.fft.rfft(frames, _FFT)) ** 2 / (_FFT * np.square(window).sum() / 4)
    decibels = 10 * np.log10(power @ _mel_filters() + 1e-12)
    scaled = np.round((decibels - _FLOOR_DB) * (255 / -_FLOOR_DB))
    features: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8).T
    return features


@functools.cache
def _mel_filters() -> NDArray[np.float64]:
    """Triangles of height 1 between neighbouring centres: (FFT bins, bands)."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (20.0, RATE_HZ / 2))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(_FFT, 1 / RATE_HZ)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return filters
