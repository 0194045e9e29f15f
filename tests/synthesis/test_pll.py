"""PLL divisors: known results, limits, and the nearest frequency for any wish."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnedge.errors import SynthesisError
from bnnedge.families.ecp5 import Ecp5

choose_pll = Ecp5().choose_pll


@pytest.mark.parametrize(
    ("wanted_mhz", "divisors"),
    [  # (input, feedback, output); Project Trellis' ecppll gives the same frequencies
        (25.0, (1, 1, 24)),
        (50.0, (1, 2, 12)),
        (80.0, (5, 16, 7)),
        (81.25, (4, 13, 7)),
        (100.0, (1, 4, 6)),
        (125.0, (1, 5, 5)),
    ],
)
def test_divisors_for_25_mhz(wanted_mhz: float, divisors: tuple[int, int, int]) -> None:
    pll = choose_pll(input_mhz=25.0, wanted_mhz=wanted_mhz)
    assert (pll.input_divisor, pll.feedback_divisor, pll.output_divisor) == divisors
    assert pll.output_mhz == wanted_mhz


@settings(deadline=None)
@given(st.floats(3.125, 400.0))
def test_every_pll_keeps_its_limits_and_is_near(wanted_mhz: float) -> None:
    pll = choose_pll(input_mhz=25.0, wanted_mhz=wanted_mhz)
    assert 3.125 <= 25.0 / pll.input_divisor <= 400
    assert 400 <= pll.vco_mhz <= 800
    assert pll.output_mhz == 25.0 / pll.input_divisor * pll.feedback_divisor
    assert abs(pll.output_mhz - wanted_mhz) <= 2.5  # above 250 MHz the feedback divisor runs out


@pytest.mark.parametrize("wanted_mhz", [1.0, 500.0])
def test_clock_out_of_range_is_refused(wanted_mhz: float) -> None:
    with pytest.raises(SynthesisError) as caught:
        choose_pll(input_mhz=25.0, wanted_mhz=wanted_mhz)
    assert str(caught.value) == (
        f"clock: wanted 3.125 to 400 MHz, got {wanted_mhz:g} — choose another clock"
    )
