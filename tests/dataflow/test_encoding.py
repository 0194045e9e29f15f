from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnedge.dataflow.encoding import ThresholdEncoding, bits_of, pack, unpack
from bnnedge.errors import DataError, DataflowError


def test_sign_of_zero_is_plus_one() -> None:
    assert bits_of(np.array([0.0, -0.0, 1e-45, -1e-45])).tolist() == [1, 1, 1, 0]


def test_plus_one_is_bit_one() -> None:
    assert bits_of(np.array([-1, 1], np.int8)).tolist() == [0, 1]


def test_bit_zero_of_a_word_is_channel_zero() -> None:
    assert pack(np.array([[1, 0, 0, 0, 0, 0, 0, 0, 1]], np.uint8), 4).tolist() == [[1, 1, 0, 0]]


@given(st.integers(0, 5), st.integers(1, 70), st.sampled_from([1, 4, 8]), st.integers(0, 2**32 - 1))
def test_unpack_inverts_pack(count: int, features: int, word_bytes: int, seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2, (count, features), dtype=np.uint8)
    packed = pack(bits, word_bytes)
    assert packed.shape == (count, -(-features // (8 * word_bytes)) * word_bytes)
    assert np.array_equal(unpack(packed, features), bits)


def thermometer(**changes: object) -> ThresholdEncoding:
    fields: dict[str, object] = {
        "name": "thermometer",
        "input_shape": (1, 2),
        "output_shape": (4,),
        "source": np.array([0, 0, 1, 1]),
        "threshold": np.array([0.5, 1.5, -np.inf, 1.0], np.float32),
        "invert": np.array([False, False, True, True]),
    }
    return ThresholdEncoding(**(fields | changes))  # type: ignore[arg-type]


def test_encode_compares_inverts_and_gives_constants() -> None:
    x = np.array([[[0.5, 1.0]], [[1.5, 0.0]], [[-0.0, np.inf]]])
    assert thermometer().encode(x).tolist() == [[1, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 0]]


def test_encode_compares_as_float32() -> None:
    just_below = np.nextafter(np.float32(0.5), np.float32(0))
    assert thermometer().encode(np.array([[[just_below, 0]]]))[0, 0] == 0
    assert thermometer().encode(np.array([[[0.5 - 1e-12, 0]]]))[0, 0] == 1


class _NeedsGradients:
    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ([[1], [1, 2]], "not an array of numbers .* — give a NumPy array"),
        (_NeedsGradients(), r"requires grad.* — give a NumPy array; .*x\.detach\(\)"),
        (np.zeros((3, 2)), r"wanted shape \(N, 1, 2\), got \(3, 2\)"),
        (np.array([[["a", "b"]]]), "wanted real numbers"),
        (np.array([[[np.nan, 0]]]), "NaN"),
    ],
)
def test_encode_refuses(x: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        thermometer().encode(x)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"source": np.array([0, 0, 1, 2])}, "outside the 2 elements"),
        ({"source": np.array([0, 1])}, "differ in length"),
        ({"input_shape": (0, 2)}, "wanted 1 to 67108864 elements, got shape"),
        ({"threshold": np.array([0, 1, np.nan, 2])}, "NaN"),
    ],
)
def test_verify_refuses(changes: dict[str, object], text: str) -> None:
    with pytest.raises(DataflowError, match=text):
        thermometer(**changes).verify()
