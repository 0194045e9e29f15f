"""Divisors of the ECP5's PLL (EHXPLLL) with its feedback from the output clock.

f_out = f_in * feedback / input, f_vco = f_out * output. Limits: Lattice FPGA-DS-02012 (ECP5 data
sheet), sysCLOCK PLL timing: phase detector 3.125 to 400 MHz, VCO 400 to 800 MHz, output 3.125 to
400 MHz.
"""

from dataclasses import dataclass

from bnnedge.errors import SynthesisError

_DETECTOR_MHZ = (3.125, 400.0)
_VCO_MHZ = (400.0, 800.0)
_OUTPUT_MHZ = (3.125, 400.0)
_MAX_DIVISOR = 128
_MAX_FEEDBACK = 80
# The middle of the VCO's range: where it locks most surely.
_VCO_TARGET_MHZ = 600.0


@dataclass(frozen=True, kw_only=True)
class Pll:
    """Divisors and what comes of them."""

    input_divisor: int
    feedback_divisor: int
    output_divisor: int
    output_mhz: float

    @property
    def vco_mhz(self) -> float:
        """Frequency of the PLL's oscillator."""
        return self.output_mhz * self.output_divisor


def choose_pll(*, input_mhz: float, wanted_mhz: float) -> Pll:
    """The divisors whose output is nearest to `wanted_mhz`.

    Of equal ones, the smallest input divisor (least jitter), then the VCO nearest to 600 MHz.

    Raises:
        SynthesisError: `wanted_mhz` is out of the PLL's range.
    """
    if not _OUTPUT_MHZ[0] <= wanted_mhz <= _OUTPUT_MHZ[1]:
        raise SynthesisError(
            f"clock: wanted {_OUTPUT_MHZ[0]:g} to {_OUTPUT_MHZ[1]:g} MHz, got {wanted_mhz:g}",
            remedy="choose another clock",
        )
    candidates = []
    for input_divisor in range(1, _MAX_DIVISOR + 1):
        detector_mhz = input_mhz / input_divisor
        if not _DETECTOR_MHZ[0] <= detector_mhz <= _DETECTOR_MHZ[1]:
            continue
        for feedback_divisor in range(1, _MAX_FEEDBACK + 1):
            output_mhz = detector_mhz * feedback_divisor
            for output_divisor in range(1, _MAX_DIVISOR + 1):
                if _VCO_MHZ[0] <= output_mhz * output_divisor <= _VCO_MHZ[1]:
                    candidates.append(
                        Pll(
                            input_divisor=input_divisor,
                            feedback_divisor=feedback_divisor,
                            output_divisor=output_divisor,
                            output_mhz=output_mhz,
                        )
                    )
    return min(
        candidates,
        key=lambda pll: (
            round(abs(pll.output_mhz - wanted_mhz), 6),
            pll.input_divisor,
            abs(pll.vco_mhz - _VCO_TARGET_MHZ),
        ),
    )
