"""A netlist that was read back as Verilog, for the simulation of what the bitstream is."""

import re
from collections.abc import Iterator, Mapping

from bnnedge.readback.netlist import Cell, Net, Netlist, Signal
from bnnedge.verilog import Bits, Direction, Parameter, Port, instance, module_text, vector

_VECTOR = re.compile(r"(.+)\[(\d+)\]")
_WORDS_A_ROW = 16
_STRIDE = 20  # bits from word to word in INITVAL_nn
# What the PLL's model is told, and inputs that it has not: they are compared, not simulated.
_PLL_PARAMETERS = ("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV")
_PLL_OTHER_PIN = re.compile(r"ENCLKOS\d?")


def verilog_text(netlist: Netlist, top: str) -> str:
    """A module with a port for each pin, and an instance for each cell.

    Args:
        netlist: of a bitstream.
        top: the module's name.
    """
    names = _names(netlist)
    body: list[str] = [f"  wire {name};" for name in names.values()]
    for port, net in netlist.inputs.items():
        body.append(f"  assign {names[net[:2]]} = {port};")
    for port, signal in netlist.outputs.items():
        body.append(f"  assign {port} = {_text(signal, names)};")
    for number, cell in enumerate(netlist.cells.items()):
        body += _lines(number, *cell, names)
    return module_text(
        top,
        [
            *_ports(Direction.INPUT, netlist.inputs),
            *_ports(Direction.OUTPUT, netlist.outputs),
        ],
        body,
        comment="Read back from a bitstream by bnnedge.",
        net="wire",
    )


def _ports(direction: Direction, named: Mapping[str, object]) -> Iterator[Port]:
    widths: dict[str, int | None] = {}
    for name in named:
        part = _VECTOR.fullmatch(name)
        if part is None:
            widths[name] = None
        else:
            widths[part[1]] = max(widths.get(part[1]) or 0, int(part[2]) + 1)
    for name, width in widths.items():
        yield Port(direction=direction, name=name, width_bits=width)


def _names(netlist: Netlist) -> dict[tuple[str, ...], str]:
    """Of the wires that anything drives, by cell and output."""
    nets = [net[:2] for net in netlist.inputs.values()]
    nets += [(site, port) for site, cell in netlist.cells.items() for port in cell.outputs]
    return {net: f"n{number}" for number, net in enumerate(nets)}


def _text(signal: Signal, names: Mapping[tuple[str, ...], str]) -> str:
    if isinstance(signal, Net):
        return f"{'~' * signal.inverted}{names[signal[:2]]}"
    return f"1'b{int(bool(signal))}"  # what is not known has no effect: it was compared


def _lines(number: int, site: str, cell: Cell, names: Mapping[tuple[str, ...], str]) -> list[str]:
    ins = {pin: _text(signal, names) for pin, signal in cell.inputs.items()}
    outs = {port: names[site, port] for port in cell.outputs}
    if cell.kind == "LUTRAM":
        return _ram(f"r{number}", cell, ins, outs["DO"])
    if cell.kind == "DP16KD":
        ins |= {f"CS{port}{bit}": "1'b0" for port in "AB" for bit in range(3)}
    if cell.kind == "EHXPLLL":
        ins = {pin: text for pin, text in ins.items() if not _PLL_OTHER_PIN.fullmatch(pin)}
    return instance(cell.kind, f"c{number}", {**ins, **outs}, parameters=_parameters(cell))


def _parameters(cell: Cell) -> dict[str, Parameter | Bits]:
    values: dict[str, Parameter | Bits] = {}
    for name, value in cell.parameters.items():
        if isinstance(value, tuple):
            for row in range(len(value) // _WORDS_A_ROW):
                words = value[_WORDS_A_ROW * row : _WORDS_A_ROW * (row + 1)]
                bits = sum(word << _STRIDE * place for place, word in enumerate(words))
                values[f"INITVAL_{row:02X}"] = Bits(bits, _STRIDE * _WORDS_A_ROW)
        elif name.startswith("INIT"):
            assert isinstance(value, int)
            values[name] = Bits(value, 16)
        elif name != "WID" and (cell.kind != "EHXPLLL" or name in _PLL_PARAMETERS):
            values[name] = value
    return values | ({"CEMUX": "CE"} if cell.kind == "TRELLIS_FF" else {})


def _ram(name: str, cell: Cell, ins: Mapping[str, str], out: str) -> list[str]:
    """A column of RAM in lookup tables."""
    read, write = (
        "{" + ", ".join(ins[f"{way}[{bit}]"] for bit in (3, 2, 1, 0)) + "}"
        for way in ("RAD", "WAD")
    )
    return [
        "",
        f"  reg {vector(16)} {name} = 16'h{cell.parameters['INIT']:04x};",
        f"  always @(posedge {ins['WCK']}) if ({ins['WRE']})",
        f"    {name}[{write}] <= {ins['DI']};",
        f"  assign {out} = {name}[{read}];",
    ]
