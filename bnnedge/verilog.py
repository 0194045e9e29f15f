"""The one writer of Verilog: modules, their ports, instances and literals.

What is written is plain Verilog but for the word `logic`, which `module_text` takes as a choice.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from bnnedge.errors import DesignError
from bnnedge.names import shown


class Bits(NamedTuple):
    """A number of so many bits."""

    value: int
    width_bits: int


Parameter = int | str
"""Value of a parameter; a string is written as a literal."""


class Direction(enum.Enum):
    """Of a port, as Verilog calls it."""

    INPUT = "input"
    OUTPUT = "output"
    INOUT = "inout"

    @property
    def opposite(self) -> "Direction":
        """What `ready` is where this is `valid`."""
        return {Direction.INPUT: Direction.OUTPUT, Direction.OUTPUT: Direction.INPUT}[self]


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of a module.

    Attributes:
        direction: as the module sees it.
        name: an identifier.
        width_bits: of a vector; None: a single wire.
        attributes: `(* name = "value" *)` in front of it.
    """

    direction: Direction
    name: str
    width_bits: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """Names of the three signals of a stream."""

    valid: str
    ready: str
    data: str

    @classmethod
    def axis(cls, prefix: str, *, upper: bool = False) -> "Stream":
        """Of an AXI4-Stream; `upper`: as `TVALID`, which FINN's nodes have."""
        words = ("TVALID", "TREADY", "TDATA") if upper else ("tvalid", "tready", "tdata")
        return cls(*(f"{prefix}_{word}" for word in words))

    @classmethod
    def port(cls, prefix: str, direction: Direction) -> "Stream":
        """Of a stream of a kernel, with the direction in its ports' names."""
        there, back = ("i", "o") if direction is Direction.INPUT else ("o", "i")
        return cls(f"{prefix}_valid_{there}", f"{prefix}_ready_{back}", f"{prefix}_data_{there}")

    def ports(self, direction: Direction, width_bits: int) -> list[Port]:
        """The ports of a module that takes (or gives) this stream."""
        return [
            Port(direction=direction, name=self.data, width_bits=width_bits),
            Port(direction=direction, name=self.valid),
            Port(direction=direction.opposite, name=self.ready),
        ]

    def to(self, other: "Stream") -> dict[str, str]:
        """Connections of an instance whose ports these are: (port, what it is connected to)."""
        return {self.valid: other.valid, self.ready: other.ready, self.data: other.data}


def module_text(
    name: str,
    ports: Sequence[Port],
    body: Iterable[str],
    *,
    comment: str,
    net: Literal["logic", "wire"] = "logic",
    parameters: Mapping[str, Parameter] | None = None,
) -> str:
    """The text of a module.

    Args:
        name: an identifier.
        ports: in their order.
        body: lines.
        comment: what stands above it, one line.
        net: kind of the ports; a module of plain Verilog has wires.
        parameters: with their defaults; written only if there are any.
    """
    head = f"module {name} ("
    if parameters:
        values = (f"  parameter {key} = {literal(value)}" for key, value in parameters.items())
        head = "\n".join([f"module {name} #(", ",\n".join(values), ") ("])
    declared = ",\n".join(_port_text(port, net) for port in ports)
    return "\n".join([f"// {comment}", head, declared, ");", *body, "endmodule", ""])


def _port_text(port: Port, net: str) -> str:
    words = [f"{port.direction.value:<6}", net]
    words += [] if port.width_bits is None else [vector(port.width_bits)]
    return f"{_attributes(port.attributes)}  {' '.join(words)} {port.name}"


def vector(width_bits: int) -> str:
    """The range of a vector, from its highest bit down."""
    return f"[{width_bits - 1}:0]"


def instance(
    module: str,
    name: str,
    ports: Mapping[str, str],
    *,
    parameters: Mapping[str, Parameter | Bits] | None = None,
    attributes: Mapping[str, str] | None = None,
) -> list[str]:
    """Lines that instantiate `module` as `i_<name>`.

    Args:
        module: its name.
        name: an identifier.
        ports: what each is connected to, an expression.
        parameters: those that are set.
        attributes: `(* name = "value" *)` in front of it.
    """
    values = {key: literal(value) for key, value in (parameters or {}).items()}
    head = [f"  {module} #(", _bound(values), f"  ) i_{name} ("]
    before = _attributes(attributes or {}).splitlines()
    return ["", *before, *(head if values else [f"  {module} i_{name} ("]), _bound(ports), "  );"]


def literal(value: Parameter | Bits) -> str:
    """A parameter's value as Verilog reads it.

    Raises:
        DesignError: it is text that holds a line break or something else that is no text.
    """
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Bits):
        return f"{value.width_bits}'h{value.value:x}"
    if not value.isprintable():
        raise DesignError(f"wanted a path of printable characters, got {shown(value)}")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bound(values: Mapping[str, str]) -> str:
    return ",\n".join(f"    .{key}({value})" for key, value in values.items())


def _attributes(attributes: Mapping[str, str]) -> str:
    return "".join(f"  (* {key} = {literal(value)} *)\n" for key, value in attributes.items())
