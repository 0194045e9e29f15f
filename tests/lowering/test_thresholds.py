"""Thresholds by enumeration, and the order of floats that the input's bisection walks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnedge.errors import LoweringError
from bnnedge.lowering.float_keys import of_key, to_key
from bnnedge.lowering.thresholds import Reach, threshold_of, two_levels


@given(
    synapses=st.integers(1, 40),
    channels=st.lists(st.tuples(st.integers(0, 41), st.booleans()), min_size=1, max_size=8),
)
def test_every_threshold_is_found(synapses: int, channels: list[tuple[int, bool]]) -> None:
    wanted = np.array([min(t, synapses + 1) for t, _ in channels])
    invert = np.array([i for _, i in channels])
    reach = Reach(low=-synapses, high=synapses, step=2)
    popcount = np.arange(synapses + 1)[:, None]
    bits = (popcount >= wanted) ^ invert
    threshold, inverted = threshold_of(bits, reach, "here")
    assert threshold.min() >= -synapses and threshold.max() <= synapses + 2
    assert np.array_equal((reach.values[:, None] >= threshold) ^ inverted, bits)
    constant = (bits == bits[0]).all(axis=0)
    assert not inverted[constant].any()


def test_two_switches_are_named() -> None:
    bits = np.zeros((9, 3), bool)
    bits[3:6, 1] = True
    with pytest.raises(LoweringError, match=r"sign: channel 1 .* accumulators -2, 4"):
        threshold_of(bits, Reach(low=-8, high=8, step=2), "sign")


def test_accumulators() -> None:
    assert Reach(low=-3, high=3, step=2).values.tolist() == [-3, -1, 1, 3]
    assert Reach(low=-2, high=2, step=1).values.tolist() == [-2, -1, 0, 1, 2]


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([-1, 1], (-1, 1)),
        ([0.3, -0.3], (-0.3, 0.3)),
        ([0, 2], (0, 2)),
        ([-2, 0], (-2, 0)),
        ([5, 5], (-5, 5)),
        ([-5], (-5, 5)),
        ([0.0, -0.0], (0, 1)),
    ],
)
def test_levels(values: list[float], levels: tuple[float, float]) -> None:
    got = two_levels(np.float32(values), "here")
    assert got == tuple(float(np.float32(level)) for level in levels)


@pytest.mark.parametrize("values", [[-1, 0, 1], [0.5, 0.7], [-1, 2], [1, np.nan], [np.inf, 1]])
def test_not_levels(values: list[float]) -> None:
    with pytest.raises(LoweringError, match="here"):
        two_levels(np.float32(values), "here")


@given(st.floats(width=32, allow_nan=False), st.floats(width=32, allow_nan=False))
def test_keys_are_in_the_order_of_floats(a: float, b: float) -> None:
    x = np.float32([a, b])
    keys = to_key(x)
    assert np.array_equal(of_key(keys), x)
    assert (keys[0] < keys[1]) == (x[0] < x[1])
    with np.errstate(all="ignore"):
        up = np.nextafter(x[:1], np.float32(np.inf))
    if np.isfinite(x[0]):
        assert to_key(up)[0] == keys[0] + 1
