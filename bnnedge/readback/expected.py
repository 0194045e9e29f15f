"""The netlist that Yosys wrote, with its cells at the sites where nextpnr has put them.

The routed design only says which cell is where: a wrong place is a difference, no equality. What
it says of connections and settings is not used here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bnnedge.errors import SynthesisError
from bnnedge.readback.netlist import Cell, Net, Netlist, Signal, inverted, used_address

_PLL = re.compile(r"EHXPLL_..")
# What nextpnr gives a PLL where the netlist says nothing.
_PLL_DEFAULTS: Mapping[str, str | int] = {
    "CLKOP_TRIM_POL": "RISING",
    "CLKOS_TRIM_POL": "RISING",
    "CLKOP_TRIM_DELAY": "0",
    "CLKOS_TRIM_DELAY": "0",
    **{f"CLK{output}_ENABLE": "ENABLED" for output in ("OP", "OS", "OS2", "OS3")},
    **{f"CLK{output}_DIV": 8 for output in ("OP", "OS", "OS2", "OS3")},
    "INT_LOCK_STICKY": "ENABLED",
    "MODE": "EHXPLLL",
    "REFIN_RESET": "DISABLED",
    "SYNC_ENABLE": "DISABLED",
    "MFG_GMC_TEST": 14,
}
_PLL_OPEN: Mapping[str, Signal] = dict.fromkeys(("ENCLKOS", "ENCLKOS2", "ENCLKOS3"))
# Both mean the wire that comes from the fabric; the database has the same bits for them.
_SAME_FEEDBACK = {"CLKOP": "USERCLOCK"}
_TABLES = ("LUT4", "PFUMX", "L6MUX21")
_WORD_BITS = 18
_STRIDE = 20


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A netlist at its sites.

    Attributes:
        netlist: cells by site; a constant "x" is None.
        names: of cells in the netlist of Yosys, by site.
    """

    netlist: Netlist
    names: Mapping[str, str]


def placed_netlist(synthesised: Mapping[str, Any], routed: Mapping[str, Any] | None) -> Placed:
    """Put the cells of a netlist (Yosys' JSON) where those of nextpnr's JSON are; None: anywhere.

    Raises:
        SynthesisError: nextpnr has no cell of a name, or a cell is of a type not known here.
    """
    top = _top(synthesised)
    sites = None if routed is None else _with_multiplexers(top, _sites(_top(routed)))
    nets: dict[int, Net] = {}
    placed = {name: list(_parts(name, record, sites)) for name, record in top["cells"].items()}
    for name, parts in placed.items():
        for site, ports in parts:
            for inner, (outer, bit) in ports.items():
                number = top["cells"][name]["connections"][outer][bit]
                if isinstance(number, int):
                    nets[number] = Net(site, inner)
    inputs: dict[str, Net] = {}
    for port, bit in _port_bits(top, "input"):
        inputs[port] = Net(_site(sites, f"{port}$tr_io"), "O")
        nets[bit] = inputs[port]

    def signal(bit: int | str) -> Signal:
        if isinstance(bit, str):
            return {"0": False, "1": True}.get(bit)
        if bit not in nets:
            raise SynthesisError(f"netlist: net {bit} has no driver")
        return nets[bit]

    cells: dict[str, Cell] = {}
    names: dict[str, str] = {}
    for name, parts in placed.items():
        record = top["cells"][name]
        pins = {
            port if len(bits) == 1 else f"{port}[{index}]": signal(bit)
            for port, bits in record["connections"].items()
            if record["port_directions"][port] == "input"
            for index, bit in enumerate(bits)
        }
        for number, (site, _) in enumerate(parts):
            cells[site] = _cell(record, pins, number)
            names[site] = name
    return Placed(
        netlist=Netlist(
            cells=cells,
            inputs=inputs,
            outputs={port: signal(bit) for port, bit in _port_bits(top, "output")},
        ),
        names=names,
    )


def _top(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The module with the most cells: models of cells are beside it."""
    found: Mapping[str, Any] = max(document["modules"].values(), key=lambda m: len(m["cells"]))
    return found


def _sites(top: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: _PLL.sub("PLL", cell["attributes"].get("NEXTPNR_BEL", ""))
        for name, cell in top["cells"].items()
    }


def _with_multiplexers(top: Mapping[str, Any], sites: Mapping[str, str]) -> dict[str, str]:
    """Sites of a netlist's multiplexers of tables, too: nextpnr makes them parts of the tables.

    One of five inputs goes with its table for 0, one of six with the second table of its part for
    1, and one of seven with that of the first half of its part for 1.
    """
    cells = top["cells"]
    drivers: dict[int, str] = {
        record["connections"]["Z"][0]: name
        for name, record in cells.items()
        if record["type"] in _TABLES
    }

    def behind(name: str, pin: str) -> str:
        bit: int = cells[name]["connections"][pin][0]
        return drivers[bit]

    found = dict(sites)
    for name, record in cells.items():
        if record["type"] == "PFUMX":
            found[name] = f"{_site(sites, behind(name, 'BLUT')).removesuffix('.K0')}.OFX0"
        elif record["type"] == "L6MUX21":
            part = behind(name, "D1")
            if cells[part]["type"] == "L6MUX21":
                part = behind(part, "D0")
            found[name] = f"{_site(sites, behind(part, 'ALUT')).removesuffix('.K1')}.OFX1"
    return found


def _site(sites: Mapping[str, str] | None, name: str) -> str:
    if sites is None:
        return name
    if not sites.get(name):
        raise SynthesisError(f"routed design: it has no placed cell {name[:80]}")
    return sites[name]


def _port_bits(top: Mapping[str, Any], direction: str) -> Iterator[tuple[str, Any]]:
    for name, port in top["ports"].items():
        if port["direction"] == direction:
            for index, bit in enumerate(port["bits"]):
                yield (f"{name}[{index}]" if len(port["bits"]) > 1 else name), bit


Ports = Mapping[str, tuple[str, int]]


def _parts(
    name: str, record: Mapping[str, Any], sites: Mapping[str, str] | None
) -> Iterator[tuple[str, Ports]]:
    """The sites of a cell, with the outputs there: port and bit of the cell."""
    match record["type"]:
        case "TRELLIS_DPR16X4":
            for column in range(4):
                yield _site(sites, f"{name}$DPRAM_COMB{column}"), {"DO": ("DO", column)}
        case "CCU2C":
            site = _site(sites, f"{name}$CCU2_COMB0").removesuffix(".K0")
            yield site, {port: (port, 0) for port in ("S0", "S1", "COUT")}
        case "LUT4" | "PFUMX" | "L6MUX21" | "TRELLIS_FF" | "DP16KD" | "EHXPLLL":
            directions = record["port_directions"]
            ports = [port for port in record["connections"] if directions[port] == "output"]
            yield _site(sites, name), {port: (port, 0) for port in ports}
        case other:
            raise SynthesisError(f"netlist: a cell of type {other} is not known to the read-back")


def _cell(record: Mapping[str, Any], pins: Mapping[str, Signal], number: int) -> Cell:
    parameters = record["parameters"]
    match record["type"]:
        case "LUT4":
            init = _number(parameters["INIT"])
            return Cell(kind="LUT4", parameters={"INIT": init}, inputs=pins, outputs=("Z",))
        case "PFUMX" | "L6MUX21" as kind:
            return Cell(kind=kind, parameters={}, inputs=pins, outputs=("Z",))
        case "CCU2C":
            return Cell(
                kind="CCU2C",
                parameters={
                    **{f"INIT{half}": _number(parameters[f"INIT{half}"]) for half in "01"},
                    **{f"INJECT1_{half}": parameters[f"INJECT1_{half}"] for half in "01"},
                },
                inputs=pins,
                outputs=("S0", "S1", "COUT"),
            )
        case "TRELLIS_FF":
            return _register(parameters, pins)
        case "TRELLIS_DPR16X4":
            return _lut_ram(parameters, pins, number)
        case "DP16KD":
            return _block(parameters, pins)
        case _:
            return _pll(record, pins)


def _register(parameters: Mapping[str, str], pins: Mapping[str, Signal]) -> Cell:
    enable: Signal = pins.get("CE", True)
    match parameters.get("CEMUX", "1"):
        case "0" | "1" as level:
            enable = level == "1"
        case "INV":
            enable = inverted(enable)
    reset = pins.get("LSR", False)
    if parameters.get("LSRMUX") == "INV":
        reset = inverted(reset)
    clock = pins["CLK"]
    return Cell(
        kind="TRELLIS_FF",
        parameters={
            "REGSET": parameters.get("REGSET", "RESET"),
            "GSR": parameters.get("GSR", "ENABLED"),
            "SRMODE": "LSR_OVER_CE" if reset is False else parameters["SRMODE"],
        },
        inputs={
            "DI": pins["DI"],
            "CE": enable,
            "LSR": reset,
            "CLK": inverted(clock) if parameters.get("CLKMUX") == "INV" else clock,
        },
        outputs=("Q",),
    )


def _lut_ram(parameters: Mapping[str, str], pins: Mapping[str, Signal], column: int) -> Cell:
    bits = _number(parameters["INITVAL"])
    content = sum((bits >> 4 * address + column & 1) << address for address in range(16))
    enable, clock = pins["WRE"], pins["WCK"]
    return Cell(
        kind="LUTRAM",
        parameters={"INIT": content},
        inputs={
            **{name: pins[name] for bit in range(4) for name in (f"RAD[{bit}]", f"WAD[{bit}]")},
            "DI": pins[f"DI[{column}]"],
            "WRE": inverted(enable) if parameters.get("WREMUX") == "INV" else enable,
            "WCK": inverted(clock) if parameters.get("WCKMUX") == "INV" else clock,
        },
        outputs=("DO",),
    )


def _block(parameters: Mapping[str, str], pins: Mapping[str, Signal]) -> Cell:
    """A block RAM; its chip selects are constants that select it; nextpnr sets open pins to 0."""
    for port in "AB":
        decoded = parameters.get(f"CSDECODE_{port}", "0b000").removeprefix("0b")
        wanted = [digit == "1" for digit in reversed(decoded)]
        if [pins.get(f"CS{port}{bit}") for bit in range(3)] != wanted:
            raise SynthesisError(f"netlist: a block RAM whose port {port} is not always selected")
    widths = {f"DATA_WIDTH_{port}": _number(parameters[f"DATA_WIDTH_{port}"]) for port in "AB"}
    simple = widths["DATA_WIDTH_A"] == 36
    inputs: dict[str, Signal] = {
        pin: signal or False for pin, signal in pins.items() if not pin.startswith("CS")
    }
    for port in "AB":
        if parameters.get(f"CLK{port}MUX") == "INV":
            inputs[f"CLK{port}"] = inverted(inputs[f"CLK{port}"])
    rows = [_number(parameters.get(f"INITVAL_{row:02X}", "0")) for row in range(64)]
    mask = (1 << _WORD_BITS) - 1
    modes = {name: parameters.get(name, "NORMAL") for name in ("WRITEMODE_A", "WRITEMODE_B")}
    return Cell(
        kind="DP16KD",
        parameters={
            **widths,
            **({} if simple else modes),
            "REGMODE_A": parameters.get("REGMODE_A", "NOREG"),
            "REGMODE_B": parameters.get("REGMODE_B", "NOREG"),
            "RESETMODE": parameters.get("RESETMODE", "SYNC"),
            "ASYNC_RESET_RELEASE": parameters.get("ASYNC_RESET_RELEASE", "SYNC"),
            "GSR": parameters.get("GSR", "ENABLED"),
            "INIT": tuple(row >> _STRIDE * word & mask for row in rows for word in range(16)),
        },
        inputs=used_address(inputs, {port: widths[f"DATA_WIDTH_{port}"] for port in "AB"}),
        outputs=(),
    )


def _pll(record: Mapping[str, Any], pins: Mapping[str, Signal]) -> Cell:
    given = {
        **record["parameters"],
        **{name: value for name, value in record["attributes"].items() if name in _FILTER},
    }
    values = {name: _value(value) for name, value in given.items()}
    feedback = str(values.get("FEEDBK_PATH"))
    values["FEEDBK_PATH"] = _SAME_FEEDBACK.get(feedback, feedback)
    return Cell(
        kind="EHXPLLL",
        parameters={**_PLL_DEFAULTS, **values},
        inputs={**_PLL_OPEN, **pins},
        outputs=(),
    )


_FILTER = ("ICP_CURRENT", "LPF_RESISTOR", "MFG_ENABLE_FILTEROPAMP", "MFG_GMCREF_SEL")
_BITS = re.compile(r"[01x]{32}")


def _value(text: str) -> str | int:
    """A parameter: bits, a decimal number, or a word; Yosys may put a space behind one."""
    if _BITS.fullmatch(text):
        return _number(text)
    plain = text.strip()
    return int(plain) if plain.isdecimal() else plain


def _number(bits: str) -> int:
    """Of a constant's bits; nothing is x that is not written as 0."""
    return int(bits.replace("x", "0"), 2)
