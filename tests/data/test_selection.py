"""The bits that a network sees are chosen by the training data alone, always the same ones."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from bnnedge.data import selection
from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.encodings import (
    OneBitThreshold,
    ThresholdsEncoding,
    fit_encoding,
)
from bnnedge.data.selection import choose_bits, sample
from bnnedge.errors import ConfigError, DataError


def _best(bits: np.ndarray, count: int) -> list[int]:
    """By least squares, one regression on the bits taken for every try."""
    x = bits - bits.mean(axis=0)
    taken: list[int] = []
    for _ in range(count):
        unexplained = {}
        for bit in set(range(bits.shape[1])) - set(taken):
            own = x[:, [*taken, bit]]
            rest = x - own @ np.linalg.lstsq(own, x, rcond=None)[0]
            unexplained[bit] = (rest**2).sum()
        taken.append(min(unexplained, key=unexplained.__getitem__))
    return sorted(taken)


def test_each_bit_explains_most_of_what_is_left() -> None:
    rng = np.random.default_rng(3)
    hidden = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 12))
    bits = (hidden + rng.normal(size=hidden.shape) > rng.normal(size=12)).astype(np.uint8)
    for count in (1, 2, 5, 12):
        assert list(choose_bits(bits, count)) == _best(bits, count)


def test_what_says_the_same_or_nothing_is_taken_last() -> None:
    rng = np.random.default_rng(4)
    a, b, c = rng.integers(0, 2, (3, 1000)).astype(np.uint8)
    rare = np.zeros(1000, np.uint8)
    rare[:20] = 1
    bits = np.stack([a, a, 1 - a, b, np.ones_like(a), rare, c], axis=1)
    assert choose_bits(bits, 3) == (0, 3, 6)
    assert choose_bits(bits, 4) == (0, 3, 5, 6)
    assert choose_bits(bits, 6) == (0, 1, 2, 3, 5, 6)
    with pytest.raises(
        DataError, match=r"7 bits that take both .* got 6 of 7 — set inputs to at most 6"
    ):
        choose_bits(bits, 7)
    with pytest.raises(DataError, match="got 0 of 7 — set another threshold"):
        choose_bits(np.ones_like(bits), 1)


def test_of_very_many_bits_those_of_large_variance_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bits = np.zeros((64, 23), np.uint8)
    bits[:8, :20] = 1  # alike, and together more than one of the others
    bits[::2, 20] = bits[::4, 21] = bits[:16, 22] = 1
    assert choose_bits(bits, 1) == (0,)
    monkeypatch.setattr(selection, "_MOST_BITS", 3)
    assert choose_bits(bits, 1) == (20,)
    assert choose_bits(bits, 4) == (0, 20, 21, 22)


def test_samples_are_spread_over_all_training_inputs() -> None:
    assert np.array_equal(sample(np.arange(10_000)), np.arange(10_000))
    assert np.array_equal(sample(np.arange(30_000)), np.arange(0, 30_000, 3))
    assert np.array_equal(sample(np.arange(10_001)), np.arange(0, 10_001, 2))


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        (EncodingKind.THRESHOLD, "one_bit_threshold", {"threshold": 9.0}),
        (EncodingKind.THERMOMETER, "quantile_thermometer", {"levels": 3}),
        (EncodingKind.FEATURE_THERMOMETER, "feature_thermometer", {"levels": 2}),
    ],
)
def test_selected_bits_are_those_of_the_whole_encoding(
    kind: EncodingKind, name: str, options: dict[str, Any]
) -> None:
    x = np.random.default_rng(5).integers(0, 17, (40, 3, 2, 5))
    config = DataConfig(dataset=DatasetName.DIGITS, encoding=kind, **options)
    whole = fit_encoding(config, x)
    fitted = fit_encoding(dataclasses.replace(config, inputs=11), x)
    assert isinstance(whole, ThresholdsEncoding) and isinstance(fitted, ThresholdsEncoding)
    assert fitted.selected == choose_bits(whole.bits(x), 11)
    assert fitted == dataclasses.replace(whole, selected=fitted.selected)
    assert (whole.name, fitted.name) == (name, f"selected_{name}")
    assert (whole.width(30), fitted.width(30)) == (30 * whole.bits_each, 11)
    assert np.array_equal(fitted.bits(x), whole.bits(x)[:, fitted.selected])


def test_other_training_data_select_other_bits() -> None:
    config = DataConfig(
        dataset=DatasetName.DIGITS, encoding=EncodingKind.THRESHOLD, threshold=9.0, inputs=2
    )
    x = np.zeros((32, 6))
    x[:16, 1] = x[::2, 4] = 16
    assert fit_encoding(config, x) == OneBitThreshold(threshold=9.0, selected=(1, 4))
    assert fit_encoding(config, x[:, ::-1]) == OneBitThreshold(threshold=9.0, selected=(1, 4))
    assert fit_encoding(config, np.roll(x, 1, 1)) == OneBitThreshold(threshold=9.0, selected=(2, 5))


@pytest.mark.parametrize("selected", [(), (3, 3), (4, 1), (-1, 2)])
def test_indices_that_do_not_increase_are_refused(selected: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="selected wants increasing indices of bits, got "):
        OneBitThreshold(threshold=9.0, selected=selected)
