"""Numbers of a table as bytes: each column by its own ranks in the training data.

A value becomes 0…255 by how many of its column's edges it reaches, which are quantiles of the
training data. So columns of any scale are alike, the levels of a thermometer cut each of them
evenly, and outliers do no harm. A column of two values becomes 0 and 255, one of a single value 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bnnedge.reading import MOST_EDGES, Feature

Column = str | tuple[str, str | None]


def fit_features(columns: Sequence[Column], training: NDArray[np.float64]) -> tuple[Feature, ...]:
    """Features of training data alone.

    Args:
        columns: their names, and of columns of words a word.
        training: finite numbers (N, F), N ≥ 1.
    """
    shares = np.arange(1, MOST_EDGES + 1) / (MOST_EDGES + 1)
    found = []
    for column, values in zip(columns, training.T, strict=True):
        name, word = (column, None) if isinstance(column, str) else column
        edges = np.unique(np.quantile(values, shares, method="higher"))
        above = edges[edges > values.min()]
        found.append(Feature(name=name, edges=tuple(map(float, above)), word=word))
    return tuple(found)


def encode(features: Sequence[Feature], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Numbers (N, F) → bytes (N, F)."""
    columns = [_bytes(feature, column) for feature, column in zip(features, values.T, strict=True)]
    return np.stack(columns, axis=1)


def _bytes(feature: Feature, values: NDArray[np.float64]) -> NDArray[np.uint8]:
    if not feature.edges:
        return np.zeros(len(values), np.uint8)
    reached = np.searchsorted(np.array(feature.edges), values, side="right")
    return np.round(reached * (255 / len(feature.edges))).astype(np.uint8)
