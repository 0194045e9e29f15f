"""Recordings in WAV files as log-mel spectrograms."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from bnnedge.data.class_folders import printed
from bnnedge.data.mel import mel_features
from bnnedge.errors import DataError
from bnnedge.files import read_bytes_bounded
from bnnedge.reading import RecordingsReading

RECORDINGS = (".wav",)
_MOST_BYTES = 1 << 26


def read_recording(path: Path, reading: RecordingsReading) -> NDArray[np.uint8]:
    """A recording uint8 (1, bands, frames), of 8 to 64 bits or floats.

    Raises:
        DataError: the file is missing, damaged, too large, empty, or not as `reading` says.
    """
    name = printed(path)
    content = read_bytes_bounded(path, _MOST_BYTES, raises=DataError)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts beside the samples
        warnings.filterwarnings("error", message="Reached EOF")
        try:
            rate_hz, samples = wavfile.read(io.BytesIO(content))
        except Exception as error:  # whatever a damaged file provokes
            raise DataError(
                f"{name} is damaged or no WAV of plain samples: {str(error)[:100]!a}"
            ) from error
    if rate_hz != reading.rate_hz:
        raise DataError(
            f"{name}: wanted {reading.rate_hz} Hz, got {rate_hz}",
            remedy="resample it, or set rate_hz to what all recordings have",
        )
    if samples.ndim > 1 and samples.shape[1] > 1 and not reading.mix:
        raise DataError(
            f"{name}: wanted one channel, got {samples.shape[1]}",
            remedy="mix = true takes the mean of them",
        )
    if not samples.size:
        raise DataError(f"{name}: wanted samples, got none")
    plain = _scaled(samples)
    if not np.isfinite(plain).all():
        raise DataError(f"{name}: wanted finite samples, got NaN or infinity")
    return mel_features(plain if plain.ndim == 1 else plain.mean(axis=1), reading)[None]


def _scaled(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Samples of any format, full scale being 1."""
    if samples.dtype.kind == "f":
        return np.clip(samples.astype(np.float64), -1, 1)
    bits = 8 * samples.dtype.itemsize - 1
    middle = 1 << bits if samples.dtype.kind == "u" else 0
    scaled: NDArray[np.float64] = (samples.astype(np.float64) - middle) / 2.0**bits
    return scaled
