"""A `Graph` as a module between two streams: instances of `luts` and `adders`, and registers.

Everything of one stage and one depth is one instance, or some. Its parameters are what was
computed, its concatenations are the wiring; bit i of a vector is the i-th of them in the graph's
order.
"""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from bnnedge.hardware.unrolled.graph import (
    FALSE,
    TRUE,
    Adder,
    Graph,
    Literal,
    Lut,
    Register,
)
from bnnedge.verilog import Bits, Direction, Port, Stream, instance, module_text, vector

# In an instance: Yosys takes time with the square of them.
_MOST_TABLES = 32

_Place = tuple[tuple[Literal, Literal, Literal, Literal], int]
"""A bit of a carry chain: its pins, and its table."""

SUBMODULES = ("adders", "fixed_latency", "luts", "stream_contract")


def pipeline_text(graph: Graph, module: str, comment: str) -> str:
    """The text of a module `module`, a kernel with the streams `in` and `out`."""
    taken, given = Stream.port("in", Direction.INPUT), Stream.port("out", Direction.OUTPUT)
    ports = [
        Port(direction=Direction.INPUT, name="clk_i"),
        Port(direction=Direction.INPUT, name="rst_ni"),
        *taken.ports(Direction.INPUT, len(graph.inputs)),
        *given.ports(Direction.OUTPUT, len(graph.outputs)),
    ]
    clocked = {"clk_i": "clk_i", "rst_ni": "rst_ni"}
    through = (taken.valid, taken.ready, given.valid, given.ready)
    lines = ["  // Bit 0 of a chain is no sum's.", "  // verilator lint_off UNUSEDSIGNAL"]
    lines += instance(
        "fixed_latency",
        "valid",
        clocked | {port: port for port in through},
        parameters={"Latency": graph.latency},
    )
    names: dict[int, str] = {}
    for index, literal in enumerate(graph.inputs):
        names[literal >> 1] = f"{taken.data}[{index}]"
    for stage in range(graph.latency + 1):
        lines += _stage_text(graph, stage, names)
    bits = [_wire(literal, names) for literal in graph.outputs]
    lines += ["", f"  assign {given.data} = {_joined(bits)};", "", "`ifndef SYNTHESIS"]
    for name, stream, width, mine in (
        ("in_contract", taken, len(graph.inputs), {"Given": 1}),
        ("out_contract", given, len(graph.outputs), {}),
    ):
        watched = {"valid_i": stream.valid, "ready_i": stream.ready, "data_i": stream.data}
        parameters = {"Width": width, **mine}
        lines += instance("stream_contract", name, clocked | watched, parameters=parameters)[1:]
    lines += ["`endif"]
    return module_text(module, ports, lines, comment=comment)


def _wire(literal: Literal, names: Mapping[int, str]) -> str:
    if literal <= TRUE:
        return f"1'b{literal}"
    return f"{'~' if literal & 1 else ''}{names[literal >> 1]}"


def _stage_text(graph: Graph, stage: int, names: dict[int, str]) -> Iterator[str]:
    """What is computed of one stage's signals, and the registers behind; adds to `names`."""
    depths: dict[int, dict[int, list[int]]] = {}
    registers: dict[int, dict[int, int]] = {}
    for signal in graph.live:
        match graph.cells[signal]:
            case Lut(_, inputs) if graph.stages[signal] == stage:
                depth = depths.setdefault(graph.levels[signal], {})
                depth.setdefault(len(inputs), []).append(signal)
            case Register(before, place) if graph.stages[signal] == stage + 1:
                registers.setdefault(place, {})[signal] = before
    chains = {
        number: chain
        for number, chain in enumerate(graph.chains)
        if graph.adders[chain[0]].stage == stage
    }
    levels = {number: _chain_level(graph, chain) for number, chain in chains.items()}
    for level in sorted({*depths, *levels.values()}):
        for size, signals in sorted(depths.get(level, {}).items()):
            for part, start in enumerate(range(0, len(signals), _MOST_TABLES)):
                some = signals[start : start + _MOST_TABLES]
                name = f"lut_{stage}_{level}_{size}_{part}"
                yield from _luts_text(graph, name, size, some, names)
        for number, chain in chains.items():
            if levels[number] == level:
                yield from _chain_text(graph, f"sum_{number}", chain, names)
    for place, befores in sorted(registers.items()):
        name = f"stage_{stage + 1}_copy_{place}_q" if place else f"stage_{stage + 1}_q"
        data = _joined(names[before] for before in befores.values())
        # Synthesis would make one register of copies.
        kept = "(* keep *) " if place else ""
        yield from ("", f"  logic {vector(len(befores))} {name};")
        yield f"  {kept}always_ff @(posedge clk_i) {name} <= {data};"
        names |= {signal: f"{name}[{index}]" for index, signal in enumerate(befores)}


def _luts_text(
    graph: Graph, name: str, inputs: int, signals: Sequence[int], names: dict[int, str]
) -> Iterator[str]:
    tables, wires = 0, []
    for index, signal in enumerate(signals):
        lut = graph.cells[signal]
        assert isinstance(lut, Lut)
        tables |= lut.table << (index << inputs)
        wires += [names[read] for read in lut.inputs]
    yield from ("", f"  logic {vector(len(signals))} {name};")
    yield from instance(
        "luts",
        name,
        {"x_i": _joined(wires), "y_o": name},
        parameters={
            "Count": len(signals),
            "Inputs": inputs,
            "Tables": Bits(tables, len(signals) << inputs),
        },
    )[1:]
    names |= {signal: f"{name}[{index}]" for index, signal in enumerate(signals)}


def _chain_text(
    graph: Graph, name: str, chain: Sequence[int], names: dict[int, str]
) -> Iterator[str]:
    places: list[_Place] = []
    starts = {}
    for number in chain:
        adder = graph.adders[number]
        places.append(_start(adder.carry))
        starts[number] = len(places)
        if adder.leaf:
            places += _leaf(adder)
        elif adder.constant is not None:
            places += _with_constant(adder, adder.constant)
        else:
            places += map(_sum, adder.a, adder.b)
    places.append(_start(FALSE))
    wires = [names[pin >> 1] if pin > TRUE else "1'b1" for pins, _ in places for pin in pins]
    tables = sum(table << (index << 4) for index, (_, table) in enumerate(places))
    yield from ("", f"  logic {vector(len(places))} {name};")
    yield from instance(
        "adders",
        name,
        {"x_i": _joined(wires), "sum_o": name},
        parameters={"Bits": len(places), "Tables": Bits(tables, len(places) << 4)},
    )[1:]
    for signal, number, bit in graph.sum_bits(chain):
        names[signal] = f"{name}[{starts[number] + bit}]"


def _chain_level(graph: Graph, chain: Sequence[int]) -> int:
    return max(graph.levels[signal] for signal, _, _ in graph.sum_bits(chain))


def _start(carry: Literal) -> _Place:
    """Passes no carry on but its own; what comes in is seen."""
    return (carry, carry, TRUE, TRUE), _table(lambda a, b, c, d: (_of(carry, a), _of(carry, a)))


def _sum(x: Literal, y: Literal) -> _Place:
    return (x, y, TRUE, TRUE), _table(lambda a, b, c, d: (_of(x, a), _of(y, b)))


def _leaf(adder: Adder) -> list[_Place]:
    """Of a + b and c + d: the sums of both, then the carries."""
    (p, q), (r, s) = adder.a, adder.b
    shown = r > TRUE and s > TRUE  # at c = d = 0 the cell shows the second operand's 0
    low = _table(lambda a, b, c, d: (_of(p, a) ^ _of(q, b), _of(r, c) ^ _of(s, d)), shown)
    high = _table(lambda a, b, c, d: (_of(p, a) & _of(q, b), _of(r, c) & _of(s, d)), shown)
    return [((p, q, r, s), low), ((p, q, r, s), high)]


def _with_constant(adder: Adder, constant: int) -> Iterator[_Place]:
    """Of a, b and the constant: the sum of three bits, and the majority of those below."""
    below: tuple[Literal, Literal, int] | None = None
    for bit, (x, y) in enumerate(zip(adder.a, adder.b, strict=True)):
        now = (x, y, constant >> bit & 1)
        yield _sum_of_three(now, below)
        below = now


def _sum_of_three(
    now: tuple[Literal, Literal, int], below: tuple[Literal, Literal, int] | None
) -> _Place:
    x, y, k = now
    if below is None:
        return (x, y, TRUE, TRUE), _table(lambda a, b, c, d: (_of(x, a) ^ _of(y, b) ^ k, 0))
    p, q, m = below
    table = _table(
        lambda a, b, c, d: (
            _of(x, a) ^ _of(y, b) ^ k,
            int(_of(p, c) + _of(q, d) + m >= 2),
        ),
        shown=min(p, q) > TRUE,
    )
    return (x, y, p, q), table


def _of(literal: Literal, pin: int) -> int:
    """A literal's value by that of its pin."""
    return literal if literal <= TRUE else pin ^ (literal & 1)


def _table(operands: Callable[[int, int, int, int], tuple[int, int]], shown: bool = False) -> int:
    """Of a carry cell: whether its operands differ, and at c = d = 0 the first of them.

    Args:
        operands: both, by the pins.
        shown: at c = d = 0 they differ as the first one says, because the second one is 0.
    """
    table = 0
    for index in range(16):
        a, b, c, d = (index >> pin & 1 for pin in range(4))
        first, second = operands(a, b, c, d)
        assert not (shown and c == d == 0 and second)
        table |= (first if c == d == 0 else first ^ second) << index
    return table


def _joined(bits: Iterable[str]) -> str:
    """A concatenation, bit 0 the last."""
    return "\n".join(
        textwrap.wrap(f"{{{', '.join(reversed(list(bits)))}}}", 92, subsequent_indent=" " * 6)
    )
