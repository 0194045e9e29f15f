"""Hold margins of a small SDF, worked out by hand, and what is said of clocks."""

import dataclasses
import warnings

import pytest

from bnnedge.errors import BnnEdgeWarning, SynthesisError
from bnnedge.findings import ClockDomain, Hold
from bnnedge.synthesis.hold import hold_margins, read_delays
from bnnedge.synthesis.nextpnr import Routed, Timing, read_report
from bnnedge.synthesis.place import require_timing


def wire(source: str, sink: str, least: int, most: int) -> str:
    return f"        (INTERCONNECT {source} {sink} ({least}:5:{most}) ({least + 1}:5:{most}))\n"


def register(name: str, *, hold: int = 100, edge: str = "posedge") -> str:
    checks = "".join(
        f"      (SETUPHOLD ({data} DI) ({edge} CLK) (0:0:-7) ({hold - 9}:{hold - 4}:{hold}))\n"
        for data in ("posedge", "negedge")
    )
    return (
        f'  (CELL\n    (CELLTYPE "FF")\n    (INSTANCE {name})\n    (DELAY\n      (ABSOLUTE\n'
        "        (IOPATH CLK Q (400:450:500) (401:451:501))\n      )\n    )\n"
        f"    (TIMINGCHECK\n{checks}    )\n    )\n"
    )


def table(name: str, least: int) -> str:
    return (
        f'  (CELL\n    (CELLTYPE "LUT")\n    (INSTANCE {name})\n    (DELAY\n      (ABSOLUTE\n'
        f"        (IOPATH A F ({least}:250:300) ({least}:250:300))\n      )\n    )\n    )\n"
    )


def sdf(wires: str, cells: str) -> str:
    return (
        '(DELAYFILE\n  (SDFVERSION "3.0")\n  (DIVIDER /)\n  (TIMESCALE 1ps)\n  (CELL\n'
        '    (CELLTYPE "top")\n    (INSTANCE )\n    (DELAY\n      (ABSOLUTE\n'
        f"{wires}      )\n    )\n    )\n{cells})\n"
    )


CLOCK = (
    wire("\\$gbuf\\$clk/CLKO", "a/CLK", 10, 20)
    + wire("\\$gbuf\\$clk/CLKO", "b\\[0\\]/CLK", 30, 40)
    + wire("pll/CLKOS", "c/CLK", 0, 0)
)
WIRES = (
    CLOCK
    + wire("a/Q", "t/A", 50, 70)  # to b: 10 + 400 + 50 + 200 + 60 - 40 - 100
    + wire("t/F", "b\\[0\\]/DI", 60, 90)
    + wire("b\\[0\\]/Q", "a/DI", 500, 600)  # to a: 30 + 400 + 500 - 20 - 100
    + wire("pin/O", "c/DI", 1, 2)  # of no clock
)
CELLS = register("a") + register("b\\[0\\]") + register("c") + table("t", 200)


def test_the_least_margin_is_that_of_the_shortest_path() -> None:
    assert hold_margins(read_delays(sdf(WIRES, CELLS))) == {
        ("$gbuf$clk", "CLKO"): Hold(margin_ps=580, path_from="a/Q", path_to="b[0]/DI", checked=2)
    }


def test_of_two_ways_to_a_register_the_shorter_one_counts() -> None:
    cells = CELLS.replace(
        "(IOPATH A F", "(IOPATH B F (20:30:40) (20:30:40))\n        (IOPATH A F", 1
    )
    wires = WIRES + wire("b\\[0\\]/Q", "t/B", 5, 5)  # 30 + 400 + 5 + 20 + 60 - 40 - 100
    (hold,) = hold_margins(read_delays(sdf(wires, cells))).values()
    assert (hold.margin_ps, hold.path_from, hold.path_to) == (375, "b[0]/Q", "b[0]/DI")


@pytest.mark.parametrize(("late", "margin"), [(40, 580), (620, 0), (621, -1)])
def test_a_clock_that_comes_late_takes_from_the_margin(late: int, margin: int) -> None:
    wires = WIRES.replace(
        " b\\[0\\]/CLK (30:5:40) (31:5:40)", f" b\\[0\\]/CLK (30:5:{late}) (31:5:40)"
    )
    (hold,) = hold_margins(read_delays(sdf(wires, CELLS))).values()
    assert hold.margin_ps == margin


def test_clocks_and_edges_are_kept_apart() -> None:
    cells = CELLS.replace(register("b\\[0\\]"), register("b\\[0\\]", edge="negedge"))
    assert hold_margins(read_delays(sdf(WIRES, cells))) == {}
    wires = (
        WIRES.replace("pin/O", "c/Q") + wire("a/Q", "d/DI", 0, 0) + wire("pll/CLKOS", "d/CLK", 0, 0)
    )
    found = hold_margins(read_delays(sdf(wires, CELLS + register("d"))))
    assert found["pll", "CLKOS"] == Hold(margin_ps=301, path_from="c/Q", path_to="c/DI", checked=1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1ps", "1ns", "wanted an SDF in ps"),
        ("(50:5:70)", "(-50:5:70)", r"line 13 is not understood: \(INTERCONNECT a/Q t/A"),
        ("(IOPATH CLK Q (400:450:500)", "(IOPATH CLK Q (400)", "line 25 is not understood"),
        ("(posedge CLK)", "(posedge CLK", "line 29 is not understood"),
    ],
)
def test_what_is_not_understood_is_refused(old: str, new: str, message: str) -> None:
    text = sdf(WIRES, CELLS)
    assert old in text
    with pytest.raises(SynthesisError, match=message):
        read_delays(text.replace(old, new))


REPORT = {
    "fmax": {
        "$glbnet$clk": {"achieved": 91.234, "constraint": 80.0},
        "rx": {"achieved": 90.0, "constraint": 125.0},
    },
    "utilization": {},
}
HOLD = Hold(margin_ps=-12.0, path_from="a/Q", path_to="b/DI", checked=9)


def test_each_clock_has_its_own_figures() -> None:
    routed = read_report(REPORT, clock_mhz=80.001, holds={"rx": HOLD})
    assert routed.timing == Timing(requested_mhz=80.001, reached_mhz=91.23, critical_path=())
    own, other = routed.clocks
    assert own == ClockDomain(name="$glbnet$clk", wanted_mhz=80.001, reached_mhz=91.23)
    assert other == ClockDomain(name="rx", wanted_mhz=125.0, reached_mhz=90.0, hold=HOLD)
    assert own.line == "clock $glbnet$clk: wanted 80.001 MHz, reached 91.23 MHz"


def test_another_clock_than_the_networks_may_be_missed() -> None:
    routed = read_report(REPORT, clock_mhz=80.0, holds={})
    message = "wanted 125 MHz of clock rx, the routed design reaches 90 MHz — try another seed"
    with pytest.raises(SynthesisError, match=f"^mine: {message}$"):
        require_timing("mine", routed)


def test_a_negative_margin_is_a_warning() -> None:
    fast = ClockDomain(name="rx", wanted_mhz=25.0, reached_mhz=90.0, hold=HOLD)
    timing = Timing(requested_mhz=25.0, reached_mhz=90.0, critical_path=())
    routed = Routed(usage={}, timing=timing, clocks=(fast,))
    message = "mine: clock rx: .* least hold margin -12 ps from a/Q to b/DI"
    with pytest.warns(BnnEdgeWarning, match=message):
        require_timing("mine", routed)
    hold = dataclasses.replace(HOLD, margin_ps=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = dataclasses.replace(fast, hold=hold)
        require_timing("mine", dataclasses.replace(routed, clocks=(kept,)))
