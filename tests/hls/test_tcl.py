"""`run_hls.tcl` in Python's own Tcl: every command as Vitis HLS knows it, C simulation for real."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from bnnedge import tools, verbs
from bnnedge.hardware import RtlConfig, emit
from tests.hls.bench import needs_ap_types
from tests.networks import random_mlp

tkinter = pytest.importorskip("tkinter", reason="needs Python with Tcl (apt install python3-tk)")

# Options with a value by command; `-reset` and `-tb` have none.
_VALUES = {
    "open_project": (),
    "set_top": (),
    "add_files": ("-cflags",),
    "open_solution": ("-flow_target",),
    "set_part": (),
    "create_clock": ("-period", "-name"),
    "csim_design": ("-argv",),
    "csynth_design": (),
    "cosim_design": ("-argv",),
    "export_design": ("-format", "-vendor", "-library", "-ipname", "-version"),
    "exit": (),
}
_FLAGS = ("-reset", "-tb")


class VitisHlsModel:
    """Records commands, refuses what is out of place, and compiles and runs at `csim_design`."""

    def __init__(self, folder: Path) -> None:
        self.done: list[str] = []
        self.options: dict[str, dict[str, str]] = {}
        self.sources: list[tuple[Path, str]] = []
        self.data: list[Path] = []
        self.folder = folder
        self._tcl = tkinter.Tcl()
        for command in _VALUES:
            self._tcl.createcommand(
                command, lambda *words, command=command: self._run(command, words)
            )

    def source(self, script: Path) -> None:
        self._tcl.call("source", str(script))

    def _run(self, command: str, words: Sequence[str]) -> None:
        options: dict[str, str] = {}
        rest, left = [], list(words)
        while left:
            word = left.pop(0)
            if word in _VALUES[command]:
                options[word] = left.pop(0)
            elif word in _FLAGS:
                options[word] = ""
            else:
                assert not word.startswith("-"), f"{command} {word}"
                rest.append(word)
        needed = {"add_files": "open_project", "open_solution": "open_project"}
        needed |= dict.fromkeys(("set_part", "create_clock"), "open_solution")
        needed |= dict.fromkeys(("csim_design", "csynth_design"), "create_clock")
        needed |= dict.fromkeys(("cosim_design", "export_design"), "csynth_design")
        assert needed.get(command, command) in [*self.done, command]
        if command == "add_files":
            self._add(Path(rest[0]), options)
        if command == "csim_design":
            self._simulate(options["-argv"].split())
        self.done.append(command)
        self.options[command] = options | {"name": " ".join(rest)}

    def _add(self, path: Path, options: dict[str, str]) -> None:
        assert path.is_file()
        if path.suffix == ".cpp":
            self.sources.append((path, options["-cflags"]))
        else:
            self.data.append(path)

    def _simulate(self, arguments: Sequence[str]) -> None:
        build = self.folder / "build"
        build.mkdir()
        for path in self.data:
            shutil.copyfile(path, build / path.name)
        for path, flags in self.sources:
            argv = [tools.find("g++"), *flags.split(), "-isystem", tools.ap_types(), "-c", path]
            tools.run(argv, cwd=build, log=build / "compile.log", timeout_s=300)
        objects = [f"{path.stem}.o" for path, _ in self.sources]
        tools.run(
            [tools.find("g++"), *objects, "-o", "csim"],
            cwd=build,
            log=build / "link.log",
            timeout_s=60,
        )
        tools.run([build / "csim", *arguments], cwd=build, log=build / "run.log", timeout_s=60)


@needs_ap_types
def test_the_script_simulates_synthesises_and_exports(tmp_path: Path) -> None:
    (tmp_path / "dataflow").mkdir()
    random_mlp((12, 6, 4)).save(tmp_path / "dataflow")
    rtl = emit(tmp_path / "dataflow", RtlConfig(target_fps=1e6), tmp_path / "rtl").folder
    folder = verbs.hls(rtl, tmp_path / "hls", clock_mhz=250, images=3).folder
    model = VitisHlsModel(tmp_path)
    model.source(folder / "run_hls.tcl")
    steps = ["csim_design", "csynth_design", "cosim_design", "export_design", "exit"]
    assert model.done[-5:] == steps
    assert model.options["set_top"]["name"] == "bnnedge_core"
    assert model.options["set_part"]["name"] == "xc7z020clg400-1"
    assert model.options["create_clock"]["-period"] == "4.000"
    assert model.options["cosim_design"] == model.options["csim_design"]
    assert "3 images equal" in (tmp_path / "build" / "run.log").read_text()
