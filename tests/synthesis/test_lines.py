"""What people are told of a synthesis: what of the device it takes, and how fast it is."""

from bnnedge.synthesis.facts import SYNTH, ResourceUse
from tests.synthesised import synthesis_facts


def test_size_and_speed_are_told() -> None:
    facts = synthesis_facts(
        images_per_second={"network": 1234567.0, "serial_line": 99.4},
        resources={
            "comb": ResourceUse(used=3346, available=83640, percent=4.0),
            "bram": ResourceUse(used=21, available=208, percent=10.1),
        },
    )
    lines = SYNTH.lines(facts)
    assert lines[-5:-1] == [
        f"{name}: {rest}"
        for name, rest in (
            ("LUT4", "3,346 of 83,640, 4.0 %"),
            ("DP16KD", "21 of 208, 10.1 %"),
            ("network", "1,234,567 images/s"),
            ("serial line", "99 images/s"),
        )
    ]
