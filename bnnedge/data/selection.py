"""Which bits of an encoding a network sees, where it does not see all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.errors import DataError

_MOST_SAMPLES = 10_000
_MOST_BITS = 4096
_NOTHING = 1e-9  # of a variance: rounding


def sample(training: NDArray[Any]) -> NDArray[Any]:
    """Of training inputs (N, *shape) at most 10,000, evenly spaced."""
    return training[:: -(-len(training) // _MOST_SAMPLES)]


def choose_bits(bits: NDArray[np.uint8], count: int) -> tuple[int, ...]:
    """The bits that tell most of all the others: neighbours that say the same are not both taken.

    Always the bit that explains most, by a linear function of it, of the variance of all bits that
    those before it leave unexplained: Farahat, Ghodsi and Kamel, "An Efficient Greedy Method for
    Unsupervised Feature Selection" (2011). Where nothing is left to explain, the lowest indices.
    Of more than 4,096 bits, or than `count`, only those of the largest variances are looked at.

    Args:
        bits: of training inputs, uint8 (N, F).
        count: how many to take, ≥ 1.

    Returns:
        Their indices, increasing.

    Raises:
        DataError: fewer bits than `count` take both values.
    """
    share = bits.mean(axis=0, dtype=np.float64)
    variance = share * (1 - share)
    changing = int(np.count_nonzero(variance))
    if changing < count:
        raise DataError(
            f"inputs wants {count} bits that take both values in the training data, got {changing}"
            f" of {len(share)}",
            remedy=f"set inputs to at most {changing}" if changing else "set another threshold",
        )
    most = min(changing, max(count, _MOST_BITS))
    looked_at = np.sort(np.argsort(-variance, kind="stable")[:most])
    x = bits[:, looked_at].astype(np.float32)  # sums of products are whole numbers, and exact
    mean = share[looked_at]
    left = (x.T @ x).astype(np.float64) / len(x) - np.outer(mean, mean)
    least = _NOTHING * left.diagonal()
    free = np.ones(most, bool)
    for _ in range(count):
        own = left.diagonal()
        told = np.einsum("ij,ij->j", left, left) / np.maximum(own, least)
        best = int(np.where(free, np.where(own > least, told, 0), -1).argmax())
        free[best] = False
        if own[best] > least[best]:
            left -= np.outer(left[best], left[best] / own[best])
    return tuple(int(index) for index in looked_at[~free])
