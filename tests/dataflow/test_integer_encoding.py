import numpy as np
import pytest

from bnnedge.dataflow import ElementType, IntegerEncoding
from bnnedge.errors import DataError, DataflowError

UINT2 = ElementType(width_bits=2)


def encoding(**changes: object) -> IntegerEncoding:
    fields: dict[str, object] = {
        "name": "uint2",
        "input_shape": (2, 1, 2),
        "output_shape": (1, 2, 2),
        "source": np.array([0, 2, 1, 3]),  # channels first → channels last
        "element": UINT2,
        "steps": np.array([[0.5, 1.5, 2.5]], np.float32),
    }
    return IntegerEncoding(**(fields | changes))  # type: ignore[arg-type]


def test_steps_are_counted_and_channels_come_last() -> None:
    x = np.array([[[[0.4999, 0.5]], [[2.5, 99.0]]], [[[-np.inf, -0.0]], [[1, 2]]]])
    assert encoding().encode(x).tolist() == [[[[0, 3], [1, 3]]], [[[0, 1], [0, 2]]]]


def test_a_row_of_steps_for_each_channel() -> None:
    steps = np.array([[0, 1, 2], [10, 10, np.inf]], np.float32)
    x = np.array([[[[0, 5]], [[9, 10]]]])
    assert encoding(steps=steps).encode(x).tolist() == [[[[1, 0], [3, 2]]]]


def test_signed_integers_start_below_zero() -> None:
    signed = encoding(element=ElementType(width_bits=2, signed=True))
    assert signed.encode(np.full((1, 2, 1, 2), -7)).min() == -2
    assert signed.encode(np.full((1, 2, 1, 2), 7)).max() == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"steps": np.array([[1.0, 0.0, 2.0]])}, "decrease"),
        ({"steps": np.array([[1.0, np.nan, 2.0]])}, "decrease or are NaN"),
        ({"steps": np.array([[1.0, 2.0]])}, "wanted 3 steps"),
        ({"steps": np.zeros((3, 3))}, "3 rows of steps"),
        ({"element": ElementType(width_bits=17)}, "1 to 16 bits"),
        ({"output_shape": (2, 2, 2)}, "do not have shape"),
        ({"source": np.array([0, 2, 1, 4])}, "outside the 4 elements"),
    ],
)
def test_damage_is_named(changes: dict[str, object], text: str) -> None:
    with pytest.raises(DataflowError, match=text):
        encoding(**changes).verify()


def test_bad_batches_are_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        encoding().encode(np.full((1, 2, 1, 2), np.nan))
    with pytest.raises(DataError, match="wanted shape"):
        encoding().encode(np.zeros((1, 4)))
