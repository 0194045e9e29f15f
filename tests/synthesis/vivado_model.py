"""A strict model of the Vivado commands that the Tcl in bnnedge/synthesis/tcl uses.

It runs the Tcl in Python's own interpreter (tkinter.Tcl), builds the block design that results and
refuses what Vivado would refuse or what would not work on the board: unknown commands, parts, IPs,
properties and pins, missing files, open pins, clocks and resets that do not arrive, widths that
differ, streams without TLAST or TKEEP, addresses that are missing, misplaced or overlap.
"""

import fnmatch
import re
import tkinter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.synthesis.vivado_ips import (
    AXIS,
    PARTS,
    VENDOR_IPS,
    Cell,
    Interface,
    Ip,
    Pin,
    VivadoError,
    own_ip,
)

_ENDS = {"synth_1": "synth_design Complete!", "impl_1": "write_bitstream Complete!"}


def _words(*items: str) -> str:
    """A Tcl list."""
    return " ".join(re.sub(r"([^\w/.:@-])", r"\\\1", item) if item else "{}" for item in items)


def _options(
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


class VivadoModel:
    """One run of Vivado in batch mode.

    Attributes:
        printed: what the scripts have printed.
        cells: of the block design, by name.
        assigned: (address space, segment) → (offset, bytes).
    """

    def __init__(self, *, version: str = "2022.2", wns: str = "0.412", stops: str = "") -> None:
        self.printed: list[str] = []
        self.cells: dict[str, Cell] = {}
        self.ports: dict[str, Interface] = {}
        self.assigned: dict[tuple[str, str], tuple[int, int]] = {}
        self._version, self._wns, self._stops = version, wns, stops
        self._nets: dict[str, str] = {}  # pin → driver
        self._wires: dict[str, str] = {}  # interface → its peer
        self._catalog = dict(VENDOR_IPS)
        self._repository: dict[str, tuple[str, Ip]] = {}
        self._project: dict[str, Any] | None = None
        self._core: dict[str, Any] = {}
        self._design = ""
        self._defect: Exception | None = None
        self._state: set[str] = set()  # of the design: "valid", "saved", …
        self.interpreter = tkinter.Tcl()
        self.interpreter.createcommand("__vivado", self._dispatch)
        for name in dir(self):
            if name.startswith("do_"):
                command = name.removeprefix("do_").replace("__", "::")
                self._define(command, name)

    def _define(self, command: str, method: str) -> None:
        if "::" in command:
            self.interpreter.eval(f"namespace eval {command.rpartition('::')[0]} {{}}")
        self.interpreter.eval(
            f"proc {command} args {{ lassign [::__vivado {method} {{*}}$args] failed result;"
            " if {$failed} {return -code error $result}; return $result }"
        )

    def _dispatch(self, method: str, *arguments: str) -> str:
        try:
            return _words("0", getattr(self, method)(*map(str, arguments)) or "")
        except (VivadoError, ValueError, IndexError) as error:
            return _words("1", f"{method.removeprefix('do_')}: {error}")
        except Exception as error:  # a defect of the model, which Tcl would swallow
            self._defect = error
            raise

    def run(self, script: Path) -> None:
        """Source a script. Raises VivadoError with the message of the first error."""
        try:
            self.interpreter.eval(f"source {_words(str(script))}")
        except tkinter.TclError as error:
            if self._defect is not None:
                raise self._defect from None
            raise VivadoError(str(error)) from None

    def _split(self, text: str) -> list[str]:
        return [str(word) for word in self.interpreter.splitlist(text)]

    # Projects and files

    def do_puts(self, text: str) -> None:
        self.printed.append(text)

    def do_version(self, option: str) -> str:
        if option != "-short":
            raise VivadoError(f"unknown option {option}")
        return self._version

    def do_create_project(self, *arguments: str) -> None:
        options, (name, folder) = _options(arguments, "-force", "-part")
        if self._project is not None:
            raise VivadoError("a project is open")
        if options["-part"] not in PARTS:
            raise VivadoError(f"no such part {options['-part']}")
        if Path(folder).exists() and "-force" not in options:
            raise VivadoError(f"{folder} exists")
        Path(folder).mkdir(exist_ok=True)
        self._project = {
            "name": name, "folder": Path(folder), "part": options["-part"], "files": [],
            "top": "", "modules": set(), "runs": {},
        }  # fmt: skip

    @property
    def project(self) -> dict[str, Any]:
        if self._project is None:
            raise VivadoError("no project is open")
        return self._project

    def do_close_project(self) -> None:
        self.project.clear()
        self._project = None

    def do_current_project(self) -> str:
        return "@project:" + self.project["name"]

    def do_current_fileset(self) -> str:
        return "@fileset:" + self.project["name"]

    def do_add_files(self, *arguments: str) -> None:
        _, (names,) = _options(arguments, "-norecurse")
        for path in map(Path, self._split(names)):
            if not path.is_file():
                raise VivadoError(f"no such file {path}")
            self.project["files"].append(path)
            self.project["modules"].add(path.stem)

    def do_update_compile_order(self, *arguments: str) -> None:
        options, _ = _options(arguments, "", "-fileset")
        if options["-fileset"] != "sources_1":
            raise VivadoError(f"no fileset {options['-fileset']}")
        if self.project["top"] not in self.project["modules"]:
            raise VivadoError(f"no module {self.project['top']!r} to be the top")

    def do_get_files(self, name: str) -> str:
        if name != f"{self._design}.bd":
            raise VivadoError(f"no file {name}")
        return "@file:" + name

    def do_set_msg_config(self, *arguments: str) -> None:
        options, _ = _options(arguments, "", "-id -new_severity")
        if not re.fullmatch(r"[\w ]+ \d+-\d+", options["-id"]):
            raise VivadoError(f"no message {options['-id']}")
        if options["-new_severity"] not in ("ERROR", "WARNING", "INFO", "CRITICAL WARNING"):
            raise VivadoError(f"no severity {options['-new_severity']}")

    # Properties

    def do_set_property(self, *arguments: str) -> None:
        if arguments[0] == "-dict":
            _, pairs, token = arguments
            words = self._split(pairs)
        else:
            name, value, token = arguments
            words = [name, value]
        for name, value in zip(words[::2], words[1::2], strict=True):
            self._set(token, name, value)

    def _set(self, token: str, name: str, value: str) -> None:
        kind, _, owner = token.partition(":")
        if kind == "@cell" and name.startswith("CONFIG."):
            cell, key = self.cells[owner], name.removeprefix("CONFIG.")
            if key not in cell.ip.properties:
                raise VivadoError(f"{owner} has no property {key}")
            if not cell.ip.properties[key](value):
                raise VivadoError(f"{owner}: {key} may not be {value}")
            cell.values[key] = value
        elif kind == "@fileset" and name == "top":
            self.project["top"] = value
        elif kind == "@project" and name == "ip_repo_paths":
            self.project["repositories"] = self._split(value)
        elif kind == "@core" and name in ("name", "version", "display_name", "description"):
            self._core[name] = value
        else:
            raise VivadoError(f"{token or 'nothing'} has no property {name}")

    def do_get_property(self, name: str, token: str) -> str:
        kind, _, run = token.partition(":")
        if kind != "@run" or name not in ("PROGRESS", "STATUS", "STATS.WNS", "STATS.WHS"):
            raise VivadoError(f"{token or 'nothing'} has no property {name}")
        return str(self.project["runs"][run][name])

    # The packager

    def do_ipx__package_project(self, *arguments: str) -> None:
        options, _ = _options(
            arguments, "-import_files -force", "-root_dir -vendor -library -taxonomy"
        )
        files = {path.name: path for path in self.project["files"]}
        top = files.get(f"{self.project['top']}.v")
        if top is None:
            raise VivadoError("the top of an IP must be Verilog or VHDL (UG1118)")
        for path in files.values():
            for memory in re.findall(r'"([^"]+\.mem)"', path.read_text()):
                if memory not in files:
                    raise VivadoError(f"{path.name}: no memory file {memory}")
        Path(options["-root_dir"]).mkdir(exist_ok=True)
        self._core = {**options, "text": top.read_text(), "clocks": {}, "checked": False}

    def do_ipx__current_core(self) -> str:
        if not self._core:
            raise VivadoError("no core is open")
        return "@core:core"

    def do_ipx__associate_bus_interfaces(self, *arguments: str) -> None:
        options, _ = _options(arguments, "", "-busif -clock -reset")
        named = {options["-clock"], options.get("-reset", "aresetn")}
        if named != {"aclk", "aresetn"}:
            raise VivadoError(f"no clock or reset {sorted(named)}")
        if "-busif" in options:
            self._core["clocks"][options["-busif"]] = options["-clock"]

    def do_ipx__create_xgui_files(self, core: str) -> None:
        assert core == self.do_ipx__current_core()

    do_ipx__update_checksums = do_ipx__create_xgui_files

    def do_ipx__check_integrity(self, core: str) -> None:
        self.do_ipx__create_xgui_files(core)
        interfaces = {"s_axi", "s_axis", "m_axis"}
        if missing := interfaces - set(self._core["clocks"]):
            raise VivadoError(f"interface {sorted(missing)[0]} has no clock")

    def do_ipx__save_core(self, core: str) -> None:
        self.do_ipx__check_integrity(core)
        c = self._core
        vlnv = f"{c['-vendor']}:{c['-library']}:{c['name']}:{c['version']}"
        self._repository[c["-root_dir"]] = (vlnv, own_ip(c["text"], c["clocks"]))

    def do_update_ip_catalog(self) -> None:
        for folder in self.project["repositories"]:
            if folder not in self._repository:
                raise VivadoError(f"no IP in {folder}")
            vlnv, ip = self._repository[folder]
            self._catalog[vlnv] = ip

    # The block design

    def do_create_bd_design(self, name: str) -> None:
        self._design = name

    def do_create_bd_cell(self, *arguments: str) -> str:
        options, (name,) = _options(arguments, "", "-type -vlnv")
        found = [vlnv for vlnv in self._catalog if fnmatch.fnmatchcase(vlnv, options["-vlnv"])]
        if options["-type"] != "ip" or not found:
            raise VivadoError(f"no IP {options['-vlnv']}")
        ip = self._catalog[found[-1]]
        if not fnmatch.fnmatchcase(self.project["part"], ip.parts):
            raise VivadoError(f"{found[-1]} is not for {self.project['part']}")
        if name in self.cells:
            raise VivadoError(f"there is a cell {name}")
        self.cells[name] = Cell(ip=ip, values=dict(ip.defaults))
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
        options, (name,) = _options(arguments, "", "-mode -vlnv")
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

    def do_get_bd_addr_segs(self, pattern: str) -> str:
        found = fnmatch.filter(self._segments(), pattern)
        if len(found) != 1:
            raise VivadoError(f"{pattern}: wanted one segment, got {found}")
        return "@segment:" + found[0]

    def do_assign_bd_address(self, *arguments: str) -> None:
        options, rest = _options(arguments, "", "-offset -range -target_address_space")
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
        if offset % bytes_:
            raise VivadoError(f"{segment}: {offset:#x} is no multiple of its range")
        for (other, taken), (start, size) in self.assigned.items():
            if other == space and offset < start + size and start < offset + bytes_:
                raise VivadoError(f"{segment} and {taken} overlap in {space}")
        self.assigned[space, segment] = (offset, bytes_)

    # Validation

    def do_validate_bd_design(self) -> None:
        for cell_name, cell in self.cells.items():
            cell.ip.check(cell.values)
            for pin_name, pin in cell.pins.items():
                self._check_pin(f"{cell_name}/{pin_name}", pin)
        for cell_name, cell in self.cells.items():
            for name in cell.interfaces:
                self._check_interface(f"{cell_name}/{name}")
        for space, segment in self._visible():
            if (space, segment) not in self.assigned:
                raise VivadoError(f"{segment} has no address in {space}")
        for space in self._spaces():
            if not any(other == space for other, _ in self.assigned):
                raise VivadoError(f"{space} reaches nothing")
        self._state.add("valid")

    def _check_pin(self, name: str, pin: Pin) -> None:
        if pin.out or (not pin.required and name not in self._nets):
            return
        if name not in self._nets:
            raise VivadoError(f"pin {name} is not connected")
        driver = self._nets[name]
        if self._pin(driver).kind != pin.kind:
            raise VivadoError(f"{name} is a {pin.kind}, {driver} a {self._pin(driver).kind}")

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

    def do_make_wrapper(self, *arguments: str) -> None:
        options, _ = _options(arguments, "-top -import", "-files")
        self._named(options["-files"], "@file")
        if not {"valid", "saved"} <= self._state:
            raise VivadoError("the block design is not validated and saved")
        self.project["modules"].add(f"{self._design}_wrapper")

    # Runs and reports

    def do_launch_runs(self, *arguments: str) -> None:
        options, (run,) = _options(arguments, "", "-to_step -jobs")
        if run not in _ENDS:
            raise VivadoError(f"no run {run}")
        if run == "impl_1" and "synth_1" not in self.project["runs"]:
            raise VivadoError("synth_1 has not run")
        if run == "impl_1" and options.get("-to_step") != "write_bitstream":
            raise VivadoError("impl_1 makes no bitstream")
        if not self.project["top"]:
            raise VivadoError("no top")
        stopped = run == self._stops
        self.project["runs"][run] = {
            "PROGRESS": "61%" if stopped else "100%",
            "STATUS": "route_design ERROR" if stopped else _ENDS[run],
            "STATS.WNS": self._wns,
            "STATS.WHS": "0.021",
        }
        folder = self.project["folder"]
        files = [folder / f"{folder.name}.runs/{run}/{self.project['top']}.bit"]
        handoff = f"{folder.name}.gen/sources_1/bd/{self._design}/hw_handoff/{self._design}.hwh"
        files.append(folder / handoff)
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"model of {path.name}")

    def do_wait_on_run(self, run: str) -> None:
        self.do_get_runs(run)

    def do_get_runs(self, run: str) -> str:
        if run not in self.project["runs"]:
            raise VivadoError(f"no run {run}")
        return "@run:" + run

    def do_open_run(self, run: str) -> None:
        self.do_get_runs(run)
        self._state.add("open")

    def do_report_timing_summary(self, *arguments: str) -> None:
        options, _ = _options(arguments, "", "-file")
        if "open" not in self._state:
            raise VivadoError("no run is open")
        Path(options["-file"]).write_text("model")

    do_report_utilization = do_report_timing_summary
