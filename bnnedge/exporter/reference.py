"""Inputs on which every later stage is compared: real images and adversarial ones."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_RANDOM_ROWS = 32
_SEED = 20


def adversarial_inputs(
    *,
    input_shape: tuple[int, ...],
    thresholds: Floats,
    input_range: tuple[float, float],
    first_weights: Floats,
) -> Floats:
    """Inputs chosen to hit edges of the arithmetic, in a fixed order.

    Constant images of every critical value (the range's ends, ±0, the largest floats, and each
    threshold with its two float32 neighbours), random mixtures of those, random images, and for
    every first-layer neuron the images that match its weights as well and as badly as can be (the
    largest and smallest reachable popcount).

    Args:
        input_shape: shape of one input, without the batch.
        thresholds: strictly increasing (L,), shared by all elements.
        input_range: smallest and largest raw value.
        first_weights: ±1 (rows, elements · L), the first layer's.

    Returns:
        float32 (N, *input_shape).
    """
    rng = np.random.default_rng(_SEED)
    elements = int(np.prod(input_shape))
    low, high = np.float32(input_range[0]), np.float32(input_range[1])
    largest = np.finfo(np.float32).max
    below, above = np.nextafter(thresholds, -largest), np.nextafter(thresholds, largest)
    critical = np.concatenate(
        [[low, high, 0.0, -0.0, -largest, largest], thresholds, below, above]
    ).astype(np.float32)
    rows = [
        np.repeat(critical[:, None], elements, axis=1),
        rng.choice(critical, (_RANDOM_ROWS, elements)),
        rng.uniform(low, high, (_RANDOM_ROWS, elements)).astype(np.float32),
        rng.integers(int(low), int(high), (_RANDOM_ROWS, elements), endpoint=True),
        _extreme_matches(first_weights.reshape(len(first_weights), elements, -1), thresholds),
    ]
    return np.concatenate(rows).astype(np.float32).reshape(-1, *input_shape)


def _extreme_matches(weights: Floats, thresholds: Floats) -> Floats:
    """Images (2 · rows, elements) with the largest, then the smallest accumulator of each row.

    An element with its lowest k bits set contributes Σ_{j<k} w_j − Σ_{j≥k} w_j, so the best k
    maximises twice the prefix sum.
    """
    prefix = np.cumsum(weights, axis=2)
    prefix = np.concatenate([np.zeros_like(prefix[:, :, :1]), prefix], axis=2)
    values = np.concatenate([[np.nextafter(thresholds[0], -np.inf)], thresholds])
    matches: Floats = np.concatenate([values[prefix.argmax(2)], values[prefix.argmin(2)]])
    return matches
