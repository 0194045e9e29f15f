"""Quantile thermometers on ordinary and degenerate data."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.encodings import (
    FeatureThermometer,
    IntegerEncoding,
    OneBitThreshold,
    QuantileThermometer,
    fit_encoding,
)
from bnnedge.errors import DataError


def test_thresholds_split_uniform_data_evenly() -> None:
    encoding = QuantileThermometer.fit(np.arange(101), 4)
    assert encoding.thresholds.tolist() == [20, 40, 60, 80]


def test_background_does_not_take_the_thresholds() -> None:
    data = np.concatenate([np.zeros(10_000), np.arange(1, 101)])
    assert QuantileThermometer.fit(data, 3).thresholds.tolist() == [25, 50, 75]


def test_repeated_quantiles_move_to_values_that_occur() -> None:
    data = np.array([0] * 5 + [3] * 1000 + [4, 5, 9])
    assert QuantileThermometer.fit(data, 4).levels == (3, 4, 5, 9)
    data = np.array([0, 1, 2, 3] + [9] * 1000)
    assert QuantileThermometer.fit(data, 4).levels == (1, 2, 3, 9)


def test_too_few_values_is_one_line() -> None:
    with pytest.raises(DataError, match="4 levels wants 5 different values .* got 2"):
        QuantileThermometer.fit(np.array([0, 1, 1]), 4)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 12))
def test_every_bit_takes_both_values_on_the_training_data(data: list[int], levels: int) -> None:
    values = np.array(data, np.float32).reshape(-1, 1)
    if len(set(data)) <= levels:
        with pytest.raises(DataError):
            QuantileThermometer.fit(values, levels)
        return
    encoding = QuantileThermometer.fit(values, levels)
    assert (np.diff(encoding.thresholds) > 0).all() and len(encoding.thresholds) == levels
    bits = encoding.bits(values)
    assert (bits.min(0) == 0).all() and (bits.max(0) == 1).all()
    assert (np.diff(bits.astype(int), axis=1) <= 0).all()  # filled from bit 0 upwards


def test_every_feature_is_split_by_its_own_quantiles() -> None:
    x = np.stack([np.arange(101), np.arange(101) * 2 + 7, np.full(101, 3), np.arange(101) % 2], 1)
    encoding = FeatureThermometer.fit(x, 4)
    rows = encoding.thresholds.tolist()
    assert rows[0] == [20, 40, 60, 80] and rows[1] == [47, 87, 127, 167]
    assert rows[2] == [3] * 4 and rows[3] == [1] * 4
    assert encoding.bits_each == 4
    bits = encoding.bits(x).reshape(101, 4, 4)
    for feature, row in enumerate(rows):
        wanted = x[:, feature, None] >= np.array(row)
        assert np.array_equal(bits[:, feature], wanted)


def test_a_channel_is_a_feature() -> None:
    x = np.random.default_rng(1).integers(0, 256, (30, 2, 5))
    x[:, 1] //= 16
    encoding = FeatureThermometer.fit(x, 3)
    for channel in (0, 1):
        alone = QuantileThermometer.fit(x[:, channel], 3)
        assert encoding.features[channel] == alone.levels
        bits = encoding.bits(x).reshape(30, 2, -1)[:, channel]
        assert np.array_equal(bits, alone.bits(x[:, channel]))


def test_recipe_chooses_the_encoding() -> None:
    one = DataConfig(dataset=DatasetName.MNIST, encoding=EncodingKind.THRESHOLD, threshold=64)
    assert fit_encoding(one, np.zeros(3)) == OneBitThreshold(threshold=64)
    many = DataConfig(dataset=DatasetName.MNIST, encoding=EncodingKind.THERMOMETER, levels=2)
    assert fit_encoding(many, np.arange(4)).name == "quantile_thermometer"
    kind = EncodingKind.FEATURE_THERMOMETER
    each = DataConfig(dataset=DatasetName.NPZ, file=Path("x.npz"), encoding=kind, levels=1)
    assert fit_encoding(each, np.arange(4).reshape(2, 2)).features == ((2,), (3,))
    integers = DataConfig(dataset=DatasetName.MNIST, encoding=EncodingKind.INTEGER)
    assert fit_encoding(integers, np.arange(4)) == IntegerEncoding(bits=8)
    assert fit_encoding(integers, np.arange(4)).name == "uint8"
