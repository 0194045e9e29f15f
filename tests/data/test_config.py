"""Options that do not belong together are refused."""

from pathlib import Path

import pytest

from bnnedge.data.config import DataConfig, DatasetName, EncodingKind
from bnnedge.errors import ConfigError

_MNIST, _DIGITS = DatasetName.MNIST, DatasetName.DIGITS
_ONE, _MANY = EncodingKind.THRESHOLD, EncodingKind.THERMOMETER


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": _MNIST, "encoding": _ONE}, "encoding threshold wants threshold"),
        ({"dataset": _MNIST, "encoding": _MANY}, "encoding thermometer wants levels"),
        (
            {"dataset": _MNIST, "encoding": _MANY, "levels": 2, "threshold": 1.0},
            "encoding thermometer takes no threshold",
        ),
        (
            {"dataset": _MNIST, "encoding": EncodingKind.INTEGER, "levels": 2},
            "encoding integer takes no levels",
        ),
        ({"dataset": _MNIST, "encoding": _MANY, "levels": 0}, "levels wants 1…255, got 0"),
        ({"dataset": _MNIST, "encoding": _ONE, "threshold": float("inf")}, "threshold wants"),
        ({"dataset": _DIGITS, "encoding": _ONE, "threshold": 17.0}, "up to 16.*got 17"),
        (
            {"dataset": _DIGITS, "encoding": _MANY, "levels": 17},
            "levels wants 1…16, got 17 for .* digits",
        ),
        ({"dataset": _DIGITS, "encoding": EncodingKind.INTEGER, "seed": -1}, "seed wants"),
        (
            {"dataset": _MNIST, "encoding": _MANY, "levels": 2, "validation_fraction": 1.0},
            "validation_fraction wants",
        ),
        (
            {"dataset": _DIGITS, "encoding": _MANY, "levels": 2, "folder": Path("x")},
            "scikit-learn",
        ),
        (
            {"dataset": _MNIST, "encoding": EncodingKind.INTEGER, "inputs": 2},
            "encoding integer takes no inputs — set encoding",
        ),
        (
            {"dataset": _MNIST, "encoding": _ONE, "threshold": 1.0, "inputs": 0},
            "inputs wants 1…65,536 bits, got 0",
        ),
    ],
)
def test_bad_options_name_what_was_wanted(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataConfig(**options)  # type: ignore[arg-type]
