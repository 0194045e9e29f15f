"""The block design of the model: its commands, and what validation refuses or warns of."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.synthesis.vivado_ips import (
    AXIS,
    LEAST_RANGE,
    VENDOR_IPS,
    Cell,
    Interface,
    Pin,
    VivadoError,
)

CRITICAL = "CRITICAL WARNING"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What Vivado says, e.g. CRITICAL WARNING: [BD 41-737] Cannot set …"""

    severity: str
    id: str
    text: str

    def __str__(self) -> str:
        return f"{self.severity}: [{self.id}] {self.text}"


def words(*items: str) -> str:
    """A Tcl list."""
    return " ".join(re.sub(r"([^\w/.:@-])", r"\\\1", item) if item else "{}" for item in items)


def split_options(
    arguments: Sequence[str], flags: str = "", values: str = ""
) -> tuple[dict[str, str], list[str]]:
    """Options by name, and what is left."""
    found: dict[str, str] = {}
    rest: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word in flags.split():
            found[word] = ""
        elif word in values.split():
            found[word] = left.pop(0)
        elif word.startswith("-"):
            raise VivadoError(f"unknown option {word}")
        else:
            rest.append(word)
    return found, rest


class BlockDesign:
    """A block design; what is called `do_…` are commands of Tcl.

    Attributes:
        part: of the open project.
        cells: by name.
        ports: by name.
        assigned: (address space, segment) → (offset, bytes).
        messages: that were printed.
        printed: what the scripts and Vivado have printed.
    """

    def __init__(self, *, warns: Sequence[Message]) -> None:
        """An empty design; `warns` is what validation says of it."""
        self.part = ""
        self.printed: list[str] = []
        self.messages: list[Message] = []
        self.cells: dict[str, Cell] = {}
        self.ports: dict[str, Interface] = {}
        self.assigned: dict[tuple[str, str], tuple[int, int]] = {}
        self._warns = warns
        self._severities: dict[str, str] = {}  # message → what it was raised to
        self._nets: dict[str, str] = {}  # pin → driver
        self._wires: dict[str, str] = {}  # interface → its peer
        self._catalog = dict(VENDOR_IPS)
        self._design = ""
        self._state: set[str] = set()  # "valid", "saved", …

    # Messages

    def _say(self, severity: str, id_: str, text: str) -> None:
        """Print a message; it is an error where Vivado was told so."""
        message = Message(severity=self._severities.get(id_, severity), id=id_, text=text)
        self.messages.append(message)
        if message.severity == "ERROR":
            raise VivadoError(str(message))
        self.printed.append(str(message))

    def do_set_msg_config(self, *arguments: str) -> None:
        options, _ = split_options(arguments, "", "-id -new_severity")
        if not re.fullmatch(r"[\w ]+ \d+-\d+", options["-id"]):
            raise VivadoError(f"no message {options['-id']}")
        if options["-new_severity"] not in ("ERROR", "WARNING", "INFO", "CRITICAL WARNING"):
            raise VivadoError(f"no severity {options['-new_severity']}")
        self._severities[options["-id"]] = options["-new_severity"]

    def do_get_msg_config(self, *arguments: str) -> str:
        options, _ = split_options(arguments, "-count", "-id -severity")
        del options["-count"]
        ((what, value),) = options.items()
        return str(sum(getattr(message, what[1:]) == value for message in self.messages))

    # Cells and nets

    def do_create_bd_design(self, name: str) -> None:
        self._design = name

    def do_create_bd_cell(self, *arguments: str) -> str:
        options, (name,) = split_options(arguments, "", "-type -vlnv")
        found = [vlnv for vlnv in self._catalog if fnmatch.fnmatchcase(vlnv, options["-vlnv"])]
        if options["-type"] != "ip" or not found:
            raise VivadoError(f"no IP {options['-vlnv']}")
        ip = self._catalog[found[-1]]
        if not fnmatch.fnmatchcase(self.part, ip.parts):
            raise VivadoError(f"{found[-1]} is not for {self.project['part']}")
        if name in self.cells:
            raise VivadoError(f"there is a cell {name}")
        self.cells[name] = Cell(vlnv=found[-1], ip=ip, values=ip.defaults)
        return "@cell:" + name

    def do_get_bd_cells(self, name: str) -> str:
        if name not in self.cells:
            raise VivadoError(f"no cell {name}")
        return "@cell:" + name

    def do_get_bd_pins(self, name: str) -> str:
        self._pin(name)
        return "@pin:" + name

    def do_get_bd_intf_pins(self, name: str) -> str:
        self._interface(name)
        return "@interface:" + name

    def do_get_bd_intf_ports(self, name: str) -> str:
        if name not in self.ports:
            raise VivadoError(f"no port {name}")
        return "@interface:" + name

    def driver(self, pin: str) -> str:
        """The pin that drives a net, "" where nothing does."""
        return pin if self._pin(pin).out else self._nets.get(pin, "")

    def peer(self, interface: str) -> str:
        """What an interface is connected to; "" where it is not."""
        return self._wires.get(interface, "")

    def _pin(self, name: str) -> Pin:
        cell, _, pin = name.partition("/")
        if cell not in self.cells or pin not in self.cells[cell].pins:
            raise VivadoError(f"no pin {name}")
        return self.cells[cell].pins[pin]

    def _interface(self, name: str) -> Interface:
        if name in self.ports:
            return self.ports[name]
        cell, _, pin = name.partition("/")
        if cell not in self.cells or pin not in self.cells[cell].interfaces:
            raise VivadoError(f"no interface {name}")
        return self.cells[cell].interfaces[pin]

    def do_create_bd_intf_port(self, *arguments: str) -> None:
        options, (name,) = split_options(arguments, "", "-mode -vlnv")
        kinds = {
            "xilinx.com:interface:ddrx_rtl:1.0": "ddrx",
            "xilinx.com:display_processing_system7:fixedio_rtl:1.0": "fixedio",
        }
        if options["-vlnv"] not in kinds:
            raise VivadoError(f"no interface {options['-vlnv']}")
        # Seen from inside the design, a master port is where something ends.
        kind, master = kinds[options["-vlnv"]], options["-mode"] != "Master"
        self.ports[name] = Interface(kind=kind, master=master)

    def do_connect_bd_intf_net(self, *tokens: str) -> None:
        names = [self._named(token, "@interface") for token in tokens]
        first, second = map(self._interface, names)
        if first.kind != second.kind or first.master == second.master:
            raise VivadoError(f"{names[0]} cannot be connected to {names[1]}")
        for name, peer in (names, names[::-1]):
            if name in self._wires:
                raise VivadoError(f"{name} is connected to {self._wires[name]}")
            self._wires[name] = peer

    def do_connect_bd_net(self, *tokens: str) -> None:
        names = [self._named(token, "@pin") for token in tokens]
        drivers = {name for name in names if self._pin(name).out}
        drivers |= {self._nets[name] for name in names if name in self._nets}
        if len(drivers) != 1:
            raise VivadoError(f"{' '.join(names)}: wanted one driver, got {sorted(drivers)}")
        for name in names:
            if not self._pin(name).out:
                (self._nets[name],) = drivers

    @staticmethod
    def _named(token: str, kind: str) -> str:
        found, _, name = token.partition(":")
        if found != kind:
            raise VivadoError(f"wanted {kind[1:]}, got {token!r}")
        return name

    def _configure(self, owner: str, key: str, value: str) -> None:
        cell = self.cells[owner]
        known = cell.ip.properties.get(key)
        cannot = f"Cannot set the parameter {key} on /{owner}."
        if known is None:
            self._say(CRITICAL, "BD 41-1276", f"{cannot} Parameter does not exist")
            return
        source = known.read_only_unless
        if known.read_only or (source and cell.values[source] != "USER"):
            self._say(CRITICAL, "BD 41-737", f"{cannot} It is read-only.")
            return
        if not known.allowed(value):
            raise VivadoError(
                f"ERROR: [IP_Flow 19-3461] Value '{value}' is out of the range for parameter"
                f" '{key}' for BD Cell '/{owner}'"
            )
        cell.values[key] = value

    def clock_hz(self, name: str) -> int:
        """Of a clock pin; one that is driven knows it after validation."""
        source = self._nets.get(name, name)
        if source != name and "valid" not in self._state:
            return 100_000_000
        cell, _, pin = source.partition("/")
        clock = self.cells[cell].ip.clock
        if clock is None or clock.pin != pin:
            raise VivadoError(f"{name} has no clock")
        return clock.hz(self.cells[cell].values)

    # Addresses

    def _reached(self, interface: str) -> list[str]:
        """The AXI slaves behind a master."""
        peer = self._wires.get(interface)
        if peer is None:
            return []
        cell = peer.partition("/")[0]
        passed = self._interface(peer).through
        return [s for name in passed for s in self._reached(f"{cell}/{name}")] if passed else [peer]

    def _spaces(self) -> dict[str, list[tuple[str, Interface]]]:
        """(interface name, interface) of the masters of each address space."""
        spaces: dict[str, list[tuple[str, Interface]]] = {}
        for cell_name, cell in self.cells.items():
            for name, interface in cell.interfaces.items():
                if interface.space:
                    entry = (f"{cell_name}/{name}", interface)
                    spaces.setdefault(f"{cell_name}/{interface.space}", []).append(entry)
        return spaces

    def _segments(self) -> dict[str, tuple[str, tuple[int | None, int]]]:
        """Segment → (interface that offers it, (base, bytes))."""
        return {
            f"{cell_name}/{segment}": (f"{cell_name}/{name}", place)
            for cell_name, cell in self.cells.items()
            for name, interface in cell.interfaces.items()
            for segment, place in interface.segments.items()
        }

    def do_get_bd_addr_spaces(self, name: str) -> str:
        if name not in self._spaces():
            raise VivadoError(f"no address space {name}")
        return "@space:" + name

    def _assigned(self, name: str) -> tuple[str, str]:
        space, _, segment = name.partition("|")
        return space, segment

    def do_get_bd_addr_segs(self, *arguments: str) -> str:
        options, rest = split_options(arguments, "", "-of_objects")
        if options:
            space = self._named(options["-of_objects"], "@space")
            inside = [segment for other, segment in self.assigned if other == space]
            return words(*(f"@assigned:{space}|{segment}" for segment in inside))
        (pattern,) = rest
        if pattern.startswith("@assigned:"):
            return pattern
        found = fnmatch.filter(self._segments(), pattern)
        if len(found) != 1:
            raise VivadoError(f"{pattern}: wanted one segment, got {found}")
        return "@segment:" + found[0]

    def do_assign_bd_address(self, *arguments: str) -> None:
        options, rest = split_options(arguments, "", "-offset -range -target_address_space")
        if rest:
            segment = self._named(rest[0], "@segment")
            space = self._named(options["-target_address_space"], "@space")
            offset, bytes_ = int(options["-offset"], 0), int(options["-range"], 0)
            self._assign(space, segment, offset, bytes_)
            return
        for space, segment in self._visible():
            base, bytes_ = self._segments()[segment][1]
            if (space, segment) not in self.assigned:
                if base is None:
                    raise VivadoError(f"{segment}: its address in {space} would be chance")
                self._assign(space, segment, base, bytes_)

    def _visible(self) -> list[tuple[str, str]]:
        segments = self._segments()
        return [
            (space, segment)
            for space, masters in self._spaces().items()
            for name, _ in masters
            for slave in self._reached(name)
            for segment, (owner, _) in segments.items()
            if owner == slave
        ]

    def _assign(self, space: str, segment: str, offset: int, bytes_: int) -> None:
        if (space, segment) not in self._visible():
            raise VivadoError(f"{segment} is not reached from {space}")
        apertures = [interface.aperture for _, interface in self._spaces()[space]]
        if not any(low <= offset and offset + bytes_ <= high for low, high in apertures):
            raise VivadoError(f"{segment}: {offset:#x} is outside of {space}")
        if bytes_ < max(LEAST_RANGE, self._segments()[segment][1][1]):
            raise VivadoError(f"{segment}: {bytes_} bytes are too small a range")
        if offset % bytes_:
            raise VivadoError(f"{segment}: {offset:#x} is no multiple of its range")
        for (other, taken), (start, size) in self.assigned.items():
            if other == space and offset < start + size and start < offset + bytes_:
                raise VivadoError(f"{segment} and {taken} overlap in {space}")
        self.assigned[space, segment] = (offset, bytes_)

    # Validation

    def do_validate_bd_design(self) -> None:
        for message in self._warns:
            self._say(message.severity, message.id, message.text)
        for cell_name, cell in self.cells.items():
            cell.ip.check(cell.values)
            for pin_name, pin in cell.pins.items():
                self._check_pin(f"{cell_name}/{pin_name}", pin)
        for cell_name, cell in self.cells.items():
            for name in cell.interfaces:
                self._check_interface(f"{cell_name}/{name}")
        for space, segment in self._visible():
            if (space, segment) not in self.assigned:
                self._say(
                    CRITICAL,
                    "BD 41-1356",
                    f"Slave segment </{segment}> is not assigned into address space </{space}>."
                    " Please use Address Editor to either assign or exclude it.",
                )
        for space in self._spaces():
            if not any(other == space for other, _ in self.assigned):
                raise VivadoError(f"{space} reaches nothing")
        self._state.add("valid")

    def _check_pin(self, name: str, pin: Pin) -> None:
        if pin.out or (not pin.required and name not in self._nets):
            return
        if name not in self._nets and pin.tied:
            self._say(
                CRITICAL,
                "BD 41-759",
                "The input pins (listed below) are either not connected or do not have a source"
                " port, and they don't have a tie-off specified. These pins are tied-off to all 0's"
                " to avoid error in Implementation flow.\nPlease check your design and connect"
                f" them as needed: \n/{name}",
            )
            return
        if name not in self._nets:
            raise VivadoError(f"pin {name} is not connected")
        driver = self._nets[name]
        kind = self._pin(driver).kind
        if kind != pin.kind and not (pin.kind == "reset_any" and kind.startswith("reset")):
            raise VivadoError(f"{name} is a {pin.kind}, {driver} a {kind}")
        if pin.polarity:
            values = self.cells[name.partition("/")[0]].values
            values[pin.polarity] = "0" if kind == "reset" else "1"

    def _check_interface(self, name: str) -> None:
        if name not in self._wires:
            raise VivadoError(f"interface {name} is not connected")
        peer = self._wires[name]
        if peer in self.ports:
            return
        own, other = self._interface(name), self._interface(peer)
        if own.kind == AXIS and own.bits != other.bits:
            raise VivadoError(f"{name} has {own.bits} bits, {peer} {other.bits}")
        if own.kind == AXIS and own.signals != other.signals:
            raise VivadoError(f"{name} or {peer} lacks {sorted(own.signals ^ other.signals)[0]}")
        clocks = [
            self._nets[f"{end.partition('/')[0]}/{interface.clock}"]
            for end, interface in ((name, own), (peer, other))
        ]
        if clocks[0] != clocks[1]:
            raise VivadoError(f"{name} and {peer} run on different clocks")

    def do_save_bd_design(self) -> None:
        self._state.add("saved")
