"""Hold margins, from the delays that nextpnr writes (SDF): it reports setup only.

At one and the same edge of a clock the register at the end of a path must not yet see what the one
at its start becomes. Over all paths between registers of a clock

    margin = clock to start (min) + clock to output (min) + wires and logic on the way (min)
             - clock to end (max) - hold time (max)

What it does not say: the figures are as good as the file's, whose least and greatest delays are
those of one speed grade of nextpnr's database, not of a fast corner; a clock's wires have the
delays that the file has for them, so skew is known only as far as it is written there (nextpnr
writes 0 for a clock network); ways from one clock to another, from one edge to the other, from
pins, and through a RAM that is written while it is read, are no paths here.
"""

import heapq
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bnnedge.errors import SynthesisError
from bnnedge.findings import Hold

_TIMESCALE = "(TIMESCALE 1ps)"
_NUMBER = r"\d+(?:\.\d+)?"
_PAST = r"\((?:(posedge|negedge) )?(\S+?)\)"  # an edge and a pin
_RANGE = rf"\(({_NUMBER}):{_NUMBER}:({_NUMBER})\)"
_SIGNED = rf"\(-?{_NUMBER}:-?{_NUMBER}:(-?{_NUMBER})\)"
_PATH = re.compile(rf"\s*\((INTERCONNECT|IOPATH) (?:{_PAST}|(\S+)) (\S+) {_RANGE} {_RANGE}\)")
_CHECK = re.compile(rf"\s*\(SETUPHOLD {_PAST} {_PAST} {_SIGNED} {_SIGNED}\)")
_CELL = re.compile(r'\s*\(CELLTYPE "([^"]*)"\)')
_INSTANCE = re.compile(r"\s*\(INSTANCE ?(\S*)\)")
_ITEMS = ("(INTERCONNECT", "(IOPATH", "(SETUPHOLD")

Pin = tuple[str, str]
"""Cell and port."""


class _Wire(NamedTuple):
    """What drives a pin, and its delays in ps."""

    source: Pin
    least: float
    most: float


class _Check(NamedTuple):
    """A hold time in ps, at the edge of a clock pin."""

    pin: Pin
    clock: Pin
    edge: str
    hold: float


@dataclass(frozen=True)
class Delays:
    """What an SDF says.

    Attributes:
        wires: by the pin that is driven.
        paths: through cells: by an input, outputs with the least delay to each in ps.
        checks: hold times.
        clocks: type of cell and port of every pin that a hold time refers to.
        types: of cells, by name.
    """

    wires: dict[Pin, _Wire] = field(default_factory=dict)
    paths: dict[Pin, list[tuple[Pin, float]]] = field(default_factory=lambda: defaultdict(list))
    checks: list[_Check] = field(default_factory=list)
    clocks: set[tuple[str, str]] = field(default_factory=set)
    types: dict[str, str] = field(default_factory=dict)


def read_delays(text: str) -> Delays:
    """Interpret an SDF as nextpnr writes it, one item a line.

    Raises:
        SynthesisError: an item is not understood, or its unit is not the picosecond.
    """
    if _TIMESCALE not in text:
        raise SynthesisError("delays: wanted an SDF in ps")
    found = Delays()
    kind = cell = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := _PATH.fullmatch(line):
            what, edge, past, plain, to, *ranges = match.groups()
            least = min(float(ranges[0]), float(ranges[2]))
            if what == "INTERCONNECT":
                most = max(float(ranges[1]), float(ranges[3]))
                found.wires[_pin(to)] = _Wire(_pin(plain), least, most)
            else:
                found.paths[cell, past or plain].append(((cell, to), least))
        elif match := _CHECK.fullmatch(line):
            _, pin, edge, clock, _, hold = match.groups()
            found.checks.append(_Check((cell, pin), (cell, clock), edge, float(hold)))
            found.clocks.add((kind, clock))
        elif match := _CELL.fullmatch(line):
            kind = match[1]
        elif match := _INSTANCE.fullmatch(line):
            cell = _name(match[1])
            found.types[cell] = kind
        elif line.lstrip().startswith(_ITEMS):
            raise SynthesisError(f"delays: line {number} is not understood: {line.strip()[:80]}")
    return found


def _name(text: str) -> str:
    return text.replace("\\", "")


def _pin(text: str) -> Pin:
    cell, _, port = text.rpartition("/")
    return _name(cell), port


def hold_margins(delays: Delays) -> Mapping[Pin, Hold]:
    """The least hold margin of every clock, by the output of a cell that drives it."""
    checks: dict[tuple[Pin, str], list[_Check]] = defaultdict(list)
    for check in delays.checks:
        if check.clock in delays.wires:
            checks[delays.wires[check.clock].source, check.edge].append(check)
    found: dict[Pin, Hold] = {}
    for (clock, _), ends in sorted(checks.items()):
        least = _least(delays, ends)
        if least and (clock not in found or least.margin_ps < found[clock].margin_ps):
            found[clock] = least
    return found


def _least(delays: Delays, checks: list[_Check]) -> Hold | None:
    """The least margin between registers of one edge of one clock; None: there is no path."""
    arrivals = _arrivals(delays, {check.clock for check in checks})
    margins = [
        (arrivals[end.pin][0] - delays.wires[end.clock].most - end.hold, end.pin)
        for end in checks
        if end.pin in arrivals
    ]
    if not margins:
        return None
    margin, pin = min(margins)
    return Hold(
        margin_ps=margin,
        path_from="/".join(arrivals[pin][1]),
        path_to="/".join(pin),
        checked=len({pin for _, pin in margins}),
    )


def _arrivals(delays: Delays, clocks: set[Pin]) -> Mapping[Pin, tuple[float, Pin]]:
    """When the earliest change comes to each pin, in ps, and from which register's output.

    By Dijkstra's algorithm: no delay that was read is negative.

    Args:
        delays: of the design.
        clocks: clock pins of the registers that change.
    """
    sinks: dict[Pin, list[tuple[Pin, float]]] = defaultdict(list)
    for pin, wire in delays.wires.items():
        sinks[wire.source].append((pin, wire.least))

    def onwards(pin: Pin) -> Iterator[tuple[Pin, float]]:
        yield from sinks.get(pin, ())
        if (delays.types.get(pin[0], ""), pin[1]) not in delays.clocks:
            yield from delays.paths.get(pin, ())

    waiting = [
        (delays.wires[clock].least + delay, output, output)
        for clock in clocks
        for output, delay in delays.paths.get(clock, ())
    ]
    heapq.heapify(waiting)
    found: dict[Pin, tuple[float, Pin]] = {}
    while waiting:
        time, pin, start = heapq.heappop(waiting)
        if pin not in found:
            found[pin] = time, start
            for following, delay in onwards(pin):
                heapq.heappush(waiting, (time + delay, following, start))
    return found
