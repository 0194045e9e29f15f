"""Speech Commands (Warden 2018): one-second words as log-mel spectrograms of 8-bit values.

The feature is fixed: 16 kHz samples, cut or padded with zeros behind to one second; 32 windows of
40 ms (Hann), one every 31.25 ms; 32 triangular mel bands from 20 Hz to 8 kHz
(mel = 2595 · log10(1 + f/700)); the power of each, relative to a sine at full scale, from −90 dB
(0) to 0 dB (255).
"""

import functools
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError

RATE_HZ = 16000
BANDS = FRAMES = 32
_WINDOW, _HOP, _FFT = 640, 500, 1024
_FLOOR_DB = -90.0
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
    words = tuple(
        sorted(p.name for p in folder.glob("[!_.]*") if p.is_dir() and any(p.glob("*.wav")))
    )
    listed = {part: _listed(folder, name) for part, name in _LISTS.items()}
    every = {f"{word}/{path.name}" for word in words for path in (folder / word).glob("*.wav")}
    rest = every - listed["validation"] - listed["test"]
    files = {part: sorted(names) for part, names in {"train": rest, **listed}.items()}
    parts = {}
    for part, names in files.items():
        if not names:
            raise DataError(f"speech-commands: {folder} has no recordings for {part}")
        features = np.stack([features_of(_samples(folder / name)) for name in names])
        labels = np.array([words.index(name.split("/")[0]) for name in names], np.int64)
        parts[part] = features[:, None], labels
    return words, parts


def _listed(folder: Path, name: str) -> set[str]:
    try:
        lines = set((folder / name).read_text().split())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"speech-commands: {name} is not in {folder}, or not readable",
            remedy="unpack speech_commands_v0.02.tar.gz there, or set [data] folder",
        ) from error
    missing = sorted(line for line in lines if not (folder / line).is_file())
    if missing:
        raise DataError(f"speech-commands: {name} names {missing[0]}, which is not in {folder}")
    return lines


def _samples(path: Path) -> NDArray[np.int16]:
    from scipy.io import wavfile

    try:
        rate, samples = wavfile.read(path)
    except (OSError, ValueError, EOFError, IndexError, struct.error) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if rate != RATE_HZ or samples.dtype != np.int16 or samples.ndim != 1:
        raise DataError(
            f"{path}: wanted 16-bit mono at {RATE_HZ} Hz, got {samples.dtype} of shape "
            f"{samples.shape} at {rate} Hz"
        )
    found: NDArray[np.int16] = samples
    return found


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
