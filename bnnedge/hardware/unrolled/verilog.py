"""A `Graph` as a module between two streams: instances of `luts` and `adders`, and registers.

Everything of one stage and one depth is one instance. Its parameters are what was computed, its
concatenations are the wiring; bit i of a vector is the i-th of them in the graph's order.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bnnedge.hardware.unrolled.graph import FALSE, TRUE, Graph, Literal, Lut, Register
from bnnedge.verilog import Bits, Direction, Port, Stream, instance, module_text, vector

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
    lines = instance(
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
    outputs = (f"~{names[x >> 1]}" if x & 1 else names[x >> 1] for x in graph.outputs if x > TRUE)
    constants = {FALSE: "1'b0", TRUE: "1'b1"}
    found = iter(outputs)
    bits = [constants[x] if x in constants else next(found) for x in graph.outputs]
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


def _stage_text(graph: Graph, stage: int, names: dict[int, str]) -> Iterator[str]:
    """What is computed of one stage's signals, and the registers behind; adds to `names`."""
    depths: dict[int, dict[int, list[int]]] = {}
    registers = []
    for signal in graph.live:
        match graph.cells[signal]:
            case Lut(_, inputs) if graph.stages[signal] == stage:
                depth = depths.setdefault(graph.levels[signal], {})
                depth.setdefault(len(inputs), []).append(signal)
            case Register() if graph.stages[signal] == stage + 1:
                registers.append(signal)
    chains = {
        number: chain
        for number, chain in enumerate(graph.chains)
        if graph.adders[chain[0]].stage == stage
    }
    levels = {number: _chain_level(graph, chain) for number, chain in chains.items()}
    for level in sorted({*depths, *levels.values()}):
        for size, signals in sorted(depths.get(level, {}).items()):
            yield from _luts_text(graph, f"lut_{stage}_{level}_{size}", size, signals, names)
        for number, chain in chains.items():
            if levels[number] == level:
                yield from _chain_text(graph, f"sum_{number}", chain, names)
    if registers:
        name = f"stage_{stage + 1}_q"
        before = [graph.cells[signal] for signal in registers]
        data = [names[cell.signal] for cell in before if isinstance(cell, Register)]
        yield from ("", f"  logic {vector(len(registers))} {name};")
        yield f"  always_ff @(posedge clk_i) {name} <= {_joined(data)};"
        names |= {signal: f"{name}[{index}]" for index, signal in enumerate(registers)}


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
    a: list[Literal] = []
    b: list[Literal] = []
    starts = {}
    for number in chain:
        adder = graph.adders[number]
        starts[number] = len(a) + 1
        a += [adder.carry, *adder.a]
        b += [adder.carry, *adder.b]
    a.append(FALSE)
    b.append(FALSE)
    yield from ("", f"  logic {vector(len(a))} {name};")
    yield from instance(
        "adders",
        name,
        {"a_i": _operand(a, names), "b_i": _operand(b, names), "sum_o": name},
        parameters={"Bits": len(a), "InvertA": _inverted(a), "InvertB": _inverted(b)},
    )[1:]
    for signal, number, bit in graph.sum_bits(chain):
        names[signal] = f"{name}[{starts[number] + bit}]"


def _chain_level(graph: Graph, chain: Sequence[int]) -> int:
    return max(graph.levels[signal] for signal, _, _ in graph.sum_bits(chain))


def _operand(literals: Sequence[Literal], names: Mapping[int, str]) -> str:
    """Signals of literals; a constant is 1, inverted or not: cells have that for nothing."""
    return _joined(names[literal >> 1] if literal > TRUE else "1'b1" for literal in literals)


def _inverted(literals: Sequence[Literal]) -> Bits:
    flags = ((literal & 1) ^ (literal <= TRUE) for literal in literals)
    return Bits(sum(flag << index for index, flag in enumerate(flags)), len(literals))


def _joined(bits: Iterable[str]) -> str:
    """A concatenation, bit 0 the last."""
    return "\n".join(
        textwrap.wrap(f"{{{', '.join(reversed(list(bits)))}}}", 92, subsequent_indent=" " * 6)
    )
