"""What Vivado's catalog knows: parts, and the IPs that the block design uses.

Pins of our IP are read from its Verilog by Yosys. Those of vendors' IPs are facts, with their
public sources, in vivado_facts.json.
"""

import functools
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bnnedge import tools


class VivadoError(Exception):
    """What Vivado would report as an error."""


FACTS = json.loads(Path(__file__).with_name("vivado_facts.json").read_text())
PARTS = FACTS["parts"]
LEAST_RANGE = 4096  # of a segment
AXI, AXIS = "aximm", "axis"
_LITE = [
    *("awaddr", "awprot", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready"),
    *("bresp", "bvalid", "bready"),
    *("araddr", "arprot", "arvalid", "arready", "rdata", "rresp", "rvalid", "rready"),
]
_STREAM = ["tdata", "tkeep", "tvalid", "tready", "tlast"]


@dataclass(kw_only=True)
class Pin:
    """A pin of a cell.

    Attributes:
        out: whether it drives.
        kind: "clock", "reset" (active low), "reset_high", "reset_any" or "data".
        required: whether it must be connected.
        tied: whether Vivado ties it to 0, with a critical warning, where it is not.
        polarity: property that takes the polarity of the reset that drives it.
    """

    out: bool = False
    kind: str
    required: bool = True
    tied: bool = False
    polarity: str = ""


@dataclass(kw_only=True)
class Interface:
    """An interface pin or port.

    Attributes:
        kind: AXI, AXIS, or another interface's name.
        master: whether it begins transfers.
        bits: of its data.
        clock: pin that it runs on.
        signals: of a stream.
        segments: name → (base, bytes) of what an AXI slave offers; base None: anywhere.
        space: address space of an AXI master.
        aperture: first address of an AXI master, and the first behind its last.
        through: interfaces of the same cell that an AXI slave passes on to.
    """

    kind: str
    master: bool = False
    bits: int = 0
    clock: str = ""
    signals: frozenset[str] = frozenset(_STREAM)
    segments: dict[str, tuple[int | None, int]] = field(default_factory=dict)
    space: str = ""
    aperture: tuple[int, int] = (0, 1 << 32)
    through: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Property:
    """What a property may be, and whose it is.

    Attributes:
        default: its value.
        allowed: whether a value may be.
        read_only: it is Vivado's: propagated, or calculated.
        read_only_unless: property that must be USER for it to be the user's.
    """

    default: str = ""
    allowed: Callable[[str], bool] = lambda text: True
    read_only: bool = False
    read_only_unless: str = ""


Shape = Callable[[dict[str, str]], tuple[dict[str, Pin], dict[str, Interface]]]


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The first of four clock outputs: `property` MHz are asked of a PLL of `pll_mhz`.

    `actual` is the property that says what it gives. The others name the properties of all four in
    a handoff, with {} for the number.
    """

    pin: str
    property: str
    actual: str
    pll_mhz: float
    enable: str
    stem: str
    source: tuple[str, str]

    def described(self, values: Mapping[str, str]) -> dict[str, str]:
        """What a handoff says of the four: enabled or not, divisors, source."""
        said = {}
        name, pll = self.source
        for number in range(4):
            stem, used = self.stem.format(number), number == 0
            divisor = round(self.pll_mhz * 1e6 / self.hz(values)) if used else 1
            said |= {self.enable.format(number): str(int(used)), stem + name: pll}
            said |= {f"{stem}DIVISOR0": str(divisor), f"{stem}DIVISOR1": "1"}
        return said

    def hz(self, values: Mapping[str, str]) -> int:
        """The nearest that one divisor gives."""
        wanted = float(values[self.property])
        below = int(self.pll_mhz / wanted)
        choices = [self.pll_mhz / divisor for divisor in (max(below, 1), below + 1)]
        return round(1e6 * min(choices, key=lambda mhz: abs(mhz - wanted)))


@dataclass(kw_only=True)
class Ip:
    """A kind of cell: its properties, and what it looks like with them."""

    properties: dict[str, Property]
    shape: Shape
    check: Callable[[dict[str, str]], None] = lambda values: None
    parts: str = "*"
    clock: Clock | None = None

    @property
    def defaults(self) -> dict[str, str]:
        """Values of a new cell's properties."""
        return {name: property_.default for name, property_ in self.properties.items()}


def _allowed(fact: Mapping[str, Any]) -> Callable[[str], bool]:
    if "values" in fact:
        values = {str(value) for value in fact["values"]}
        return lambda text: text in values
    if "range" in fact:
        low, high = fact["range"]
        return lambda text: low <= float(text) <= high
    return lambda text: True


def _vendor_ip(facts: Mapping[str, Any], **code: Any) -> Ip:
    def holds(fact: dict[str, Any], values: dict[str, str]) -> bool:
        return all(values[name] == value for name, value in fact.pop("when", {}).items())

    def number(text: int | str, values: dict[str, str]) -> int:
        if text == "memory":
            memory = facts["memory"]
            return int(memory["bytes"][", ".join(values[name] for name in memory["by"])], 0)
        return int(values.get(str(text), text), 0) if isinstance(text, str) else text

    def shape(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
        pins = {name: Pin(**fact) for name, fact in chosen("pins", values).items()}
        interfaces = {}
        for name, fact in chosen("interfaces", values).items():
            fact["bits"] = number(fact.get("bits", 0), values)
            if "aperture" in fact:
                low, high = fact["aperture"]
                fact["aperture"] = (int(low, 0), int(high, 0))
            fact["segments"] = {
                segment: (None if base is None else int(base, 0), number(bytes_, values))
                for segment, (base, bytes_) in fact.get("segments", {}).items()
            }
            interfaces[name] = Interface(**fact)
        return pins, interfaces

    def chosen(what: str, values: dict[str, str]) -> dict[str, dict[str, Any]]:
        copies = {name: dict(fact) for name, fact in facts[what].items()}
        return {name: fact for name, fact in copies.items() if holds(fact, values)}

    properties = {
        name: Property(
            default=fact["default"],
            allowed=_allowed(fact),
            read_only=fact.get("read_only", False),
            read_only_unless=fact.get("read_only_unless", ""),
        )
        for name, fact in facts["properties"].items()
    }
    clock = Clock(**facts["clock"]) if "clock" in facts else None
    common: dict[str, Any] = {"properties": properties, "shape": shape, "clock": clock}
    return Ip(**common | {"parts": facts.get("parts", "*")} | code)


def _check_dma(values: dict[str, str]) -> None:
    for channel, side in (("mm2s", "m"), ("s2mm", "s")):
        memory = int(values[f"c_m_axi_{channel}_data_width"])
        stream = int(values[f"c_{side}_axis_{channel}_tdata_width"])
        if stream > memory:
            raise VivadoError(f"axi_dma: {channel} stream of {stream} bits, memory of {memory}")
        if memory // 8 * int(values[f"c_{channel}_burst_size"]) > 4096:
            raise VivadoError(f"axi_dma: {channel} bursts cross 4 KiB")


def _smartconnect(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
    slaves = [f"S{n:02}_AXI" for n in range(int(values["NUM_SI"]))]
    masters = [f"M{n:02}_AXI" for n in range(int(values["NUM_MI"]))]
    interfaces = {
        name: Interface(kind=AXI, clock="aclk", through=tuple(masters)) for name in slaves
    }
    interfaces |= {name: Interface(kind=AXI, master=True, clock="aclk") for name in masters}
    return {"aclk": Pin(kind="clock"), "aresetn": Pin(kind="reset")}, interfaces


_CODE: dict[str, dict[str, Any]] = {
    "xilinx.com:ip:axi_dma:7.1": {"check": _check_dma},
    "xilinx.com:ip:smartconnect:1.0": {"shape": _smartconnect},
}
VENDOR_IPS = {
    vlnv: _vendor_ip(facts, **_CODE.get(vlnv, {})) for vlnv, facts in FACTS["ips"].items()
}


@functools.cache
def verilog_ports(
    text: str, parameters: tuple[tuple[str, int], ...]
) -> dict[str, tuple[bool, int]]:
    """Output? and width of every port of the module in `text`, elaborated by Yosys."""
    chosen = "".join(f" -chparam {name} {value}" for name, value in parameters)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.v").write_text(text)
        (folder / "run.ys").write_text(
            "read_verilog -defer top.v\n"
            f"hierarchy -top bnnedge_axi{chosen}\nproc\nwrite_json ports.json\n"
        )
        tools.run(
            [tools.find("yosys"), "-q", "-s", "run.ys"],
            cwd=folder, log=folder / "log", timeout_s=60,
        )  # fmt: skip
        modules = json.loads((folder / "ports.json").read_text())["modules"]
    (top,) = (m for m in modules.values() if "top" in m["attributes"])
    return {
        name: (port["direction"] == "output", len(port["bits"]))
        for name, port in top["ports"].items()
    }


def own_ip(text: str, clocks: dict[str, str]) -> Ip:
    """The IP that the packager makes of `bnnedge_axi`; `clocks`: by interface.

    A parameter with a number for a default is the user's; one with an expression is not, and has
    the value that the other defaults give, whatever they are then set to.
    """
    declared = dict(
        re.findall(r"parameter\s+(?:integer\s+|\[31:0\]\s*)(\w+)\s*=\s*([^,\n]+)", text)
    )
    numbers = {name: value for name, value in declared.items() if re.match(r"\d", value)}
    frozen = {name: numbers[value] for name, value in declared.items() if name not in numbers}

    def shape(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
        given = tuple((name, int(value, 0)) for name, value in (frozen | values).items() if value)
        ports = verilog_ports(text, given)
        interfaces = {}
        for prefix, signals in (("s_axi", _LITE), ("s_axis", _STREAM), ("m_axis", _STREAM)):
            own = {
                p.removeprefix(f"{prefix}_"): v
                for p, v in ports.items()
                if p.startswith(f"{prefix}_")
            }
            if unknown := set(own) - set(signals):
                raise VivadoError(f"bnnedge_axi: {prefix} has no signal {sorted(unknown)[0]}")
            ports = {p: v for p, v in ports.items() if not p.startswith(f"{prefix}_")}
            if prefix == "s_axi":
                if missing := set(signals) - set(own):
                    raise VivadoError(f"bnnedge_axi: s_axi has no {sorted(missing)[0]}")
                interfaces[prefix] = Interface(
                    kind=AXI, master=False, bits=own["wdata"][1], clock=clocks[prefix],
                    segments={"s_axi/reg0": (None, max(LEAST_RANGE, 1 << own["awaddr"][1]))},
                )  # fmt: skip
                continue
            if "tkeep" in own and own["tkeep"][1] * 8 != own["tdata"][1]:
                raise VivadoError(f"bnnedge_axi: {prefix} TKEEP does not fit TDATA")
            interfaces[prefix] = Interface(
                kind=AXIS, master=own["tvalid"][0], bits=own["tdata"][1], clock=clocks[prefix],
                signals=frozenset(own),
            )  # fmt: skip
        kinds = {"aclk": Pin(kind="clock"), "aresetn": Pin(kind="reset")}
        if set(ports) != set(kinds):
            raise VivadoError(f"bnnedge_axi: wanted ports aclk and aresetn, got {sorted(ports)}")
        return kinds, interfaces

    return Ip(
        properties={name: Property(allowed=lambda text: int(text, 0) >= 0) for name in numbers},
        shape=shape,
    )


@dataclass(kw_only=True)
class Cell:
    """An instance in the block design."""

    vlnv: str
    ip: Ip
    values: dict[str, str]

    @property
    def pins(self) -> dict[str, Pin]:
        """By name, with the properties as they are now."""
        return self.ip.shape(self.values)[0]

    @property
    def interfaces(self) -> dict[str, Interface]:
        """By name, with the properties as they are now."""
        return self.ip.shape(self.values)[1]
