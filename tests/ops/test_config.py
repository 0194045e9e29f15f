"""Binarisation as values: integer codes, no torch."""

import subprocess
import sys

import pytest

from bnnedge.errors import ConfigError
from bnnedge.ops.config import ActivationMethod, BinarizeConfig, ResidualConfig, WeightScale


@pytest.mark.parametrize(
    ("code", "scale"),
    [
        (-1, WeightScale.OFF),
        (0, WeightScale.SIGN),
        (1, WeightScale.TENSOR),
        (2, WeightScale.CHANNEL),
        (3, WeightScale.BIREAL),
    ],
)
@pytest.mark.parametrize(
    ("method", "activation"),
    [(-1, ActivationMethod.FLOAT), (0, ActivationMethod.SIGN), (1, ActivationMethod.BIREAL)],
)
def test_integer_codes(
    code: int, scale: WeightScale, method: int, activation: ActivationMethod
) -> None:
    config = BinarizeConfig.from_codes(code, method)
    assert config == BinarizeConfig(activation=activation, weight_scale=scale)


def test_unknown_codes_say_which_are_known() -> None:
    with pytest.raises(ConfigError, match=r"bi_w_scale: wanted one of \[-1, 0, 1, 2, 3\], got 4"):
        BinarizeConfig.from_codes(4, 0)
    with pytest.raises(ConfigError, match=r"bi_act_method: wanted one of \[-1, 0, 1\], got 2"):
        BinarizeConfig.from_codes(0, 2)


def test_residual_streams_are_signed_integers_times_a_power_of_two() -> None:
    default = ResidualConfig()
    assert (default.bits, default.scale, default.low, default.high) == (4, 0.5, -8, 7)
    assert (ResidualConfig(bits=2).low, ResidualConfig(bits=8).high) == (-2, 127)
    for bits in (1, 9):
        with pytest.raises(ConfigError, match=f"wants 2…8 bits, got {bits}"):
            ResidualConfig(bits=bits)
    for scale in (0.0, -0.5, 0.3, 2.0**17, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="power of two from .* as scale, got"):
            ResidualConfig(scale=scale)


def test_reading_the_configuration_needs_no_torch() -> None:
    code = "import sys, bnnedge.ops.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
