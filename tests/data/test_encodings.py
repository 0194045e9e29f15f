"""Quantile thermometers on ordinary and degenerate data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.data.encodings import (
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


def test_recipe_chooses_the_encoding() -> None:
    one = DataConfig(dataset=DatasetName.MNIST, encoding=EncodingKind.THRESHOLD, threshold=64)
    assert fit_encoding(one, np.zeros(3)) == OneBitThreshold(threshold=64)
    many = DataConfig(dataset=DatasetName.MNIST, encoding=EncodingKind.THERMOMETER, levels=2)
    assert fit_encoding(many, np.arange(4)).name == "quantile_thermometer"
    integers = DataConfig(dataset=DatasetName.MNIST, encoding=EncodingKind.INTEGER)
    assert fit_encoding(integers, np.arange(4)) == IntegerEncoding(bits=8)
    assert fit_encoding(integers, np.arange(4)).name == "uint8"
