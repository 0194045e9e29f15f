"""Inputs on which every later stage is compared: real images and adversarial ones."""

import math

import numpy as np
from numpy.typing import NDArray

from bnnedge.data.encodings import Encoding, ThresholdsEncoding

Floats = NDArray[np.float32]

_RANDOM_ROWS = 32
_SEED = 20
_MOST_LEVELS = 256  # of all features
_LARGEST = np.finfo(np.float32).max


def adversarial_inputs(
    *,
    input_shape: tuple[int, ...],
    encoding: Encoding,
    input_range: tuple[float, float],
    first_weights: Floats,
) -> Floats:
    """Inputs chosen to hit edges of the arithmetic, in a fixed order.

    Constant images of every critical value (the range's ends, ±0, the largest floats, and each
    threshold with its two float32 neighbours or, where integers are read, numbers half-way between
    two and outside the range), random mixtures of those, random images, images with something in
    the border or in a corner only, and for every first-layer neuron the images that match its
    weights as well and as badly as can be (the largest and smallest reachable accumulator). For a
    convolution these are its window side by side.

    Args:
        input_shape: shape of one input, without the batch.
        encoding: of the elements.
        input_range: smallest and largest raw value.
        first_weights: ±1 (rows, elements · L), or (rows, selected), the first layer's, or
            (rows, C · L, K, K), or along rows (rows, C · L, K).

    Returns:
        float32 (N, *input_shape).
    """
    rng = np.random.default_rng(_SEED)
    low, high = np.float32(input_range[0]), np.float32(input_range[1])
    if isinstance(encoding, ThresholdsEncoding):
        rows = encoding.thresholds.reshape(-1, encoding.bits_each)
        levels = _few(rows.reshape(-1), rng)
        below, above = np.nextafter(levels, -_LARGEST), np.nextafter(levels, _LARGEST)
        special = np.concatenate([levels, below, above])
        steps = np.concatenate([np.nextafter(rows[:, :1], -_LARGEST), rows], axis=1)
        if encoding.selected is not None:
            bits = math.prod(input_shape) * encoding.bits_each
            every = np.zeros((len(first_weights), bits), np.float32)
            every[:, encoding.selected] = first_weights
            first_weights = every
    else:
        half = np.float32(0.5)
        ends = [low - half, low + half, low + 3 * half, high - half, high + half]
        special = np.array([*ends, low - 1, high + 1], np.float32)
        steps = np.array([[low, high]])
    critical = np.concatenate([[low, high, 0.0, -0.0, -_LARGEST, _LARGEST], special]).astype(
        np.float32
    )
    sets = [
        np.broadcast_to(
            critical.reshape(-1, *[1] * len(input_shape)), (len(critical), *input_shape)
        ),
        rng.choice(critical, (_RANDOM_ROWS, *input_shape)),
        rng.uniform(low, high, (_RANDOM_ROWS, *input_shape)),
        rng.integers(int(low), int(high), (_RANDOM_ROWS, *input_shape), endpoint=True),
    ]
    if len(input_shape) == 3:
        sets.append(_edges(input_shape, low, high))
    sets.append(_extreme_matches(first_weights, steps, input_shape))
    return np.concatenate(sets).astype(np.float32)


def _few(levels: Floats, rng: np.random.Generator) -> Floats:
    """At most `_MOST_LEVELS` thresholds, drawn where there are more."""
    return levels if len(levels) <= _MOST_LEVELS else rng.choice(levels, _MOST_LEVELS)


def _edges(shape: tuple[int, ...], low: np.float32, high: np.float32) -> Floats:
    """Images (14, C, H, W): frame, checkerboard and single pixels, then all of them inverted."""
    height, width = shape[1:]
    frame = np.ones((height, width), bool)
    frame[1:-1, 1:-1] = False
    checkers = np.indices((height, width)).sum(0) % 2 == 0
    masks = [frame, checkers]
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1), (height // 2, width // 2)):
        dot = np.zeros((height, width), bool)
        dot[row, column] = True
        masks.append(dot)
    chosen = np.stack(masks)[:, None].repeat(shape[0], axis=1)
    edges: Floats = np.where(np.concatenate([chosen, ~chosen]), high, low)
    return edges


def _extreme_matches(weights: Floats, steps: Floats, shape: tuple[int, ...]) -> Floats:
    """Inputs (2 · rows, *shape) with the largest, then the smallest accumulator of each row.

    An element at its k-th step contributes Σ_{j<k} w_j − Σ_{j≥k} w_j, so the best k maximises
    twice the prefix sum. `steps` (features, L + 1) are those of an element's feature.
    """
    rows, levels = len(weights), steps.shape[1] - 1
    window = weights.shape[2:]
    prefix = np.cumsum(weights.reshape(rows, -1, levels, *window), axis=2)
    prefix = np.concatenate([np.zeros_like(prefix[:, :, :1]), prefix], axis=2)
    best = np.concatenate([prefix.argmax(2), prefix.argmin(2)])
    elements = np.arange(best.shape[1]) // (best.shape[1] // len(steps))
    matches: Floats = steps[elements.reshape(-1, *[1] * len(window)), best]
    if not window:
        return matches.reshape(-1, *shape)
    sizes = shape[-len(window) :]
    copies = [-(-size // kernel) for size, kernel in zip(sizes, window, strict=True)]
    tiled: Floats = np.tile(matches, (1, 1, *copies))
    for axis, size in enumerate(sizes, 2):
        tiled = tiled.take(np.arange(size), axis=axis)
    return tiled.reshape(-1, *shape)
