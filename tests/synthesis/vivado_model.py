"""A strict model of the Vivado commands that the Tcl in bnnedge/synthesis/tcl uses.

It runs the Tcl in Python's own interpreter (tkinter.Tcl), builds the block design that results and
refuses what Vivado would refuse or what would not work on the board: unknown commands, parts, IPs
and pins, missing files, open pins, clocks and resets that do not arrive, widths that differ,
streams without TLAST or TKEEP, addresses that are missing, misplaced or overlap. What Vivado only
warns of, it says in Vivado's words and goes on.
"""

import re
import tkinter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.synthesis.vivado_design import CRITICAL, BlockDesign, Message, split_options, words
from tests.synthesis.vivado_handoff import handoff
from tests.synthesis.vivado_ips import PARTS, Ip, VivadoError, own_ip

_ENDS = {"synth_1": "synth_design Complete!", "impl_1": "write_bitstream Complete!"}
_IP_RUN = "bnnedge_bnnedge_0_0_synth_1"


class VivadoModel(BlockDesign):
    """One run of Vivado in batch mode, with its block design."""

    def __init__(
        self,
        *,
        version: str = "2022.2",
        wns: str = "0.412",
        stops: str = "",
        warns: Sequence[Message] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        """A fresh process.

        Args:
            version: that it says it is.
            wns: worst slack of the implementation.
            stops: run that stops.
            warns: what it says at validation.
            arguments: behind -tclargs.
        """
        super().__init__(warns=warns)
        self._version, self._wns, self._stops = version, wns, stops
        self._repository: dict[str, tuple[str, Ip]] = {}
        self._project: dict[str, Any] | None = None
        self._core: dict[str, Any] = {}
        self._defect: Exception | None = None
        self.interpreter = tkinter.Tcl()
        self.interpreter.createcommand("__vivado", self._dispatch)
        self.interpreter.eval("rename puts __puts")
        self.interpreter.eval(f"set argv {{{words(*arguments)}}}")
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
            return words("0", getattr(self, method)(*map(str, arguments)) or "")
        except (VivadoError, ValueError, IndexError) as error:
            text = str(error)
            named = text if text.startswith("ERROR:") else f"{method.removeprefix('do_')}: {text}"
            return words("1", named)
        except Exception as error:  # a defect of the model, which Tcl would swallow
            self._defect = error
            raise

    def run(self, script: Path) -> None:
        """Source a script. Raises VivadoError with the message of the first error."""
        try:
            self.interpreter.eval(f"source {words(str(script))}")
        except tkinter.TclError as error:
            if self._defect is not None:
                raise self._defect from None
            raise VivadoError(str(error)) from None

    def _split(self, text: str) -> list[str]:
        return [str(word) for word in self.interpreter.splitlist(text)]

    # Projects and files

    def do_puts(self, *arguments: str) -> None:
        if len(arguments) == 1:
            self.printed.append(*arguments)
        else:
            self.interpreter.call("__puts", *arguments)

    def do_version(self, option: str) -> str:
        if option != "-short":
            raise VivadoError(f"unknown option {option}")
        return self._version

    def do_create_project(self, *arguments: str) -> None:
        options, (name, folder) = split_options(arguments, "-force", "-part")
        if self._project is not None:
            raise VivadoError("a project is open")
        if options["-part"] not in PARTS:
            raise VivadoError(f"no such part {options['-part']}")
        if Path(folder).exists() and "-force" not in options:
            raise VivadoError(f"{folder} exists")
        Path(folder).mkdir(exist_ok=True)
        self.part = options["-part"]
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
        _, (names,) = split_options(arguments, "-norecurse")
        for path in map(Path, self._split(names)):
            if not path.is_file():
                raise VivadoError(f"no such file {path}")
            self.project["files"].append(path)
            self.project["modules"].add(path.stem)

    def do_update_compile_order(self, *arguments: str) -> None:
        options, _ = split_options(arguments, "", "-fileset")
        if options["-fileset"] != "sources_1":
            raise VivadoError(f"no fileset {options['-fileset']}")
        if self.project["top"] not in self.project["modules"]:
            raise VivadoError(f"no module {self.project['top']!r} to be the top")

    def do_get_files(self, name: str) -> str:
        if name != f"{self._design}.bd":
            raise VivadoError(f"no file {name}")
        return "@file:" + name

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
            self._configure(owner, name.removeprefix("CONFIG."), value)
        elif kind == "@fileset" and name == "top":
            self.project["top"] = value
        elif kind == "@project" and name == "ip_repo_paths":
            self.project["repositories"] = self._split(value)
        elif kind == "@core" and name in ("name", "version", "display_name", "description"):
            self._core[name] = value
        else:
            raise VivadoError(f"{token or 'nothing'} has no property {name}")

    def do_get_property(self, name: str, token: str) -> str:
        kind, _, owner = token.partition(":")
        if kind == "@run" and name in ("PROGRESS", "STATUS", "STATS.WNS", "STATS.WHS"):
            return str(self.project["runs"][owner][name])
        if kind == "@cell" and name.startswith("CONFIG."):
            cell, key = self.cells[owner], name.removeprefix("CONFIG.")
            if cell.ip.clock is not None and key == cell.ip.clock.actual:
                return f"{cell.ip.clock.hz(cell.values) / 1e6:.6f}"
            return cell.values.get(key, "")
        if kind == "@pin" and name == "CONFIG.FREQ_HZ":
            return str(self.clock_hz(owner))
        if kind == "@assigned" and name in ("OFFSET", "RANGE"):
            offset, bytes_ = self.assigned[self._assigned(owner)]
            whole = f"{bytes_ >> 20}M" if bytes_ >= 1 << 20 else str(bytes_)
            return f"0x{offset:08X}" if name == "OFFSET" else whole
        raise VivadoError(f"{token or 'nothing'} has no property {name}")

    # The packager

    def do_ipx__package_project(self, *arguments: str) -> None:
        options, _ = split_options(
            arguments, "-import_files -force", "-root_dir -vendor -library -taxonomy"
        )
        files = {path.name: path for path in self.project["files"]}
        top = files.get(f"{self.project['top']}.v")
        if top is None:
            raise VivadoError("the top of an IP must be Verilog or VHDL (UG1118)")
        memories = [
            memory
            for path in files.values()
            for memory in re.findall(r'"((?:mem)?/[^"\n]+|[^"\n]+\.mem)"', path.read_text())
        ]
        Path(options["-root_dir"]).mkdir(exist_ok=True)
        self._core = {
            **options, "text": top.read_text(), "clocks": {}, "checked": False, "memories": memories
        }  # fmt: skip

    def do_ipx__current_core(self) -> str:
        if not self._core:
            raise VivadoError("no core is open")
        return "@core:core"

    def do_ipx__associate_bus_interfaces(self, *arguments: str) -> None:
        options, _ = split_options(arguments, "", "-busif -clock -reset")
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

    def do_make_wrapper(self, *arguments: str) -> None:
        options, _ = split_options(arguments, "-top -import", "-files")
        self._named(options["-files"], "@file")
        if not {"valid", "saved"} <= self._state:
            raise VivadoError("the block design is not validated and saved")
        self.project["modules"].add(f"{self._design}_wrapper")

    def do_generate_target(self, what: str, token: str) -> None:
        self._named(token, "@file")
        if what != "all" or not {"valid", "saved"} <= self._state:
            raise VivadoError("the block design is not validated and saved")
        self._generate()

    def _generate(self) -> None:
        folder, name = self.project["folder"], self._design
        path = folder / f"{folder.name}.gen/sources_1/bd/{name}/hw_handoff/{name}.hwh"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(handoff(self))
        self._state.add("generated")

    # Runs and reports

    def do_launch_runs(self, *arguments: str) -> None:
        options, (run,) = split_options(arguments, "", "-to_step -jobs")
        if run not in _ENDS:
            raise VivadoError(f"no run {run}")
        if run == "impl_1" and "synth_1" not in self.project["runs"]:
            raise VivadoError("synth_1 has not run")
        if run == "impl_1" and options.get("-to_step") != "write_bitstream":
            raise VivadoError("impl_1 makes no bitstream")
        if not self.project["top"]:
            raise VivadoError("no top")
        if "generated" not in self._state:
            self._generate()
        stopped = run == self._stops or (run == "synth_1" and self._synthesise_ip())
        self.project["runs"][run] = {
            "PROGRESS": "61%" if stopped else "100%",
            "STATUS": f"{'synth' if run == 'synth_1' else 'route'}_design ERROR"
            if stopped
            else _ENDS[run],
            "STATS.WNS": self._wns,
            "STATS.WHS": "0.021",
        }
        if run == "impl_1":
            path = self._run_folder(run) / f"{self.project['top']}.bit"
            path.write_text(f"model of {path.name}")

    def _run_folder(self, run: str) -> Path:
        folder: Path = self.project["folder"]
        path = folder / f"{folder.name}.runs" / run
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _synthesise_ip(self) -> bool:
        """Write the log of the IP's own run; whether it stops."""
        lines, stopped = [], False
        for memory in self._core["memories"]:
            path = Path(memory)
            found = (
                sorted(p for p in path.parent.iterdir() if str(p).startswith(memory))
                if path.is_absolute()
                else []
            )
            lines += [
                f"INFO: [Synth 8-3876] $readmem data file '{file}' is read successfully"
                for file in found
            ]
            if not found:
                severity = self._severities.get("Synth 8-4445", CRITICAL)
                lines.append(
                    f"{severity}: [Synth 8-4445] could not open $readmem data file '{memory}';"
                    " please make sure the file is added to project and has read permission,"
                    " ignoring"
                )
                stopped |= severity == "ERROR"
        (self._run_folder(_IP_RUN) / "runme.log").write_text("\n".join([*lines, ""]))
        return stopped

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
        options, _ = split_options(arguments, "", "-file")
        if "open" not in self._state:
            raise VivadoError("no run is open")
        Path(options["-file"]).write_text("model")

    do_report_utilization = do_report_timing_summary
