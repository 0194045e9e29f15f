"""float32 numbers for comparing arithmetic: of every exponent, and every special one."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_LIMITS = np.finfo(np.float32)
_SPECIAL = (
    *(0.0, _LIMITS.smallest_subnormal, _LIMITS.tiny - _LIMITS.smallest_subnormal, _LIMITS.tiny),
    *(_LIMITS.max, np.inf, np.nan, 1.0, np.nextafter(np.float32(1), np.float32(2)), 1 / 3),
    *(0.5, 1.5, 2.5, 2.0**22 + 0.5, 2.0**23 - 0.5, 2.0**23, 2.0**24 - 1, 2.0**24),
)


def any_floats(rng: np.random.Generator, count: int) -> Floats:
    """`count` numbers: special ones of both signs, then random bits."""
    special = np.array(_SPECIAL, np.float32)
    bits = rng.integers(0, 1 << 32, count, dtype=np.uint32).view(np.float32)
    return np.concatenate([special, -special, bits])[:count]


def any_pairs(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Pairs: every special one with every other, random ones, and such that nearly cancel."""
    special = any_floats(rng, 2 * len(_SPECIAL))
    x, y = np.meshgrid(special, special)
    third = count // 3
    random = any_floats(rng, third), any_floats(rng, third)[::-1]
    near = rng.normal(0, 100, third).astype(np.float32)
    ulps = rng.integers(-9, 10, third, dtype=np.int32)
    beside = (near.view(np.int32) + ulps).view(np.float32)
    like = rng.normal(0, 100, third).astype(np.float32), rng.normal(0, 3, third).astype(np.float32)
    return (
        np.concatenate([x.ravel(), random[0], near, like[0]]),
        np.concatenate([y.ravel(), random[1], -beside, like[1]]),
    )
