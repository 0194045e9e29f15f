"""Log-mel spectrograms of 8-bit values.

Windows (Hann) stand evenly over the time; triangular mel bands reach from 20 Hz to half the rate
(mel = 2595 · log10(1 + f/700)); the power of each, relative to a sine at full scale, is mapped from
−90 dB (0) to 0 dB (255).
"""

import functools

import numpy as np
from numpy.typing import NDArray

from bnnedge.reading import RecordingsReading

_FLOOR_DB = -90.0


def mel_features(samples: NDArray[np.float64], reading: RecordingsReading) -> NDArray[np.uint8]:
    """Samples (N,) of −1…1, cut or padded with zeros behind → uint8 (bands, frames), lowest first.

    Args:
        samples: at `reading.rate_hz`.
        reading: rate, length, bands, frames and windows.
    """
    size, hop = reading.window, reading.samples // reading.frames
    signal = np.zeros((reading.frames - 1) * hop + size)
    count = min(len(samples), reading.samples, len(signal))
    signal[:count] = samples[:count]
    window = np.hanning(size)
    frames = np.lib.stride_tricks.sliding_window_view(signal, size)[::hop] * window
    points = 1 << (size - 1).bit_length()
    # All bins of a sine at full scale add up to 1 (Parseval).
    power = np.abs(np.fft.rfft(frames, points)) ** 2 / (points * np.square(window).sum() / 4)
    filters = _mel_filters(reading.rate_hz, reading.bands, points)
    decibels = 10 * np.log10(power @ filters + 1e-12)
    scaled = np.round((decibels - _FLOOR_DB) * (255 / -_FLOOR_DB))
    features: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8).T
    return features


@functools.cache
def _mel_filters(rate_hz: int, bands: int, points: int) -> NDArray[np.float64]:
    """Triangles of height 1 between neighbouring centres: (FFT bins, bands)."""
    low, high = (2595 * np.log10(1 + f / 700) for f in (20.0, rate_hz / 2))
    edges = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(points, 1 / rate_hz)[:, None]
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    filters: NDArray[np.float64] = np.clip(np.minimum(rising, falling), 0, None)
    return filters
