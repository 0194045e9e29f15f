"""What is installed: tools with their versions, extras, and what the machine has for them."""

import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bnnedge import cache, tools
from bnnedge.errors import BnnEdgeError, ToolMissingError
from bnnedge.extras import Extra, is_there

_LEAST_FREE = 1 << 30  # of a build with its caches
_DEVICES = Path("/dev")
_PORTS = ("ttyUSB*", "ttyACM*")


@dataclass(frozen=True, kw_only=True)
class ToolStatus:
    """What `doctor` says of a tool or an extra; `version` is None where it is missing.

    Attributes:
        name: of the tool; an extra's in brackets.
        version: of the tool.
        needed_for: what is lost without it.
        remedy: how to get it.
        required: whether the core cannot do without it.
    """

    name: str
    version: str | None
    needed_for: str
    remedy: str
    required: bool = False

    @property
    def fault(self) -> bool:
        """Whether something in the core does not work."""
        return self.required and self.version is None


@dataclass(frozen=True, kw_only=True)
class MachineStatus:
    """What `doctor` says of the machine.

    Attributes:
        name: of what.
        found: in a line.
        remedy: what to do; None: nothing.
        fault: whether something in the core does not work.
    """

    name: str
    found: str
    remedy: str | None = None
    fault: bool = False


@dataclass(frozen=True, kw_only=True)
class CacheStatus:
    """What `doctor` says of a folder in which something is kept between runs."""

    folder: Path
    bytes: int
    remedy: str
    fault: bool = False


Status = ToolStatus | MachineStatus | CacheStatus


def doctor() -> tuple[Status, ...]:
    """Which tools and extras are here, what each missing one costs; the machine; the caches."""
    return (*map(_tool, tools.TOOLS.values()), *map(_extra, Extra), *_machine(), *_caches())


def _tool(tool: tools.Tool) -> ToolStatus:
    try:
        version: str | None = tools.version(tool.name)
    except ToolMissingError:
        version = None
    return ToolStatus(
        name=tool.name,
        version=version,
        needed_for=tool.needed_for,
        remedy=tool.remedy,
        required=tool.required,
    )


def _extra(extra: Extra) -> ToolStatus:
    return ToolStatus(
        name=f"[{extra.value}]",
        version="installed" if is_there(extra) else None,
        needed_for=extra.needed_for,
        remedy=f"pip install 'bnnedge[{extra.value}]'",
    )


def _machine() -> Iterator[MachineStatus]:
    yield _room("disk", Path())
    try:
        yield _room("disk of caches", tools.cache_dir())
    except BnnEdgeError as error:
        yield MachineStatus(
            name="disk of caches", found=error.message, remedy=error.remedy, fault=True
        )
    ports = sorted(port for pattern in _PORTS for port in _DEVICES.glob(pattern))
    closed = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    named = ", ".join(map(str, closed or ports)) or "none"
    yield MachineStatus(
        name="serial ports",
        found=f"{named}{': not yours to open' if closed else ''}",
        remedy="sudo usermod -aG dialout $USER, and log in again" if closed else None,
    )


def _room(name: str, folder: Path) -> MachineStatus:
    """Whether something can be written below a folder, which need not exist."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 1e9:,.1f} GB free in {folder.absolute()}"
    if not os.access(there, os.W_OK):
        return MachineStatus(
            name=name,
            found=f"{folder.absolute()} cannot be written",
            remedy="work in a folder of your own, and set XDG_CACHE_HOME to one for caches",
            fault=True,
        )
    if free < _LEAST_FREE:
        return MachineStatus(name=name, found=found, remedy="make room for 1 GB", fault=True)
    return MachineStatus(name=name, found=found)


def _caches() -> Iterator[CacheStatus]:
    try:
        parts = cache.parts()
    except BnnEdgeError:  # which is said of its disk
        return
    for part in parts:
        remedy = f"rm -r {shlex.quote(str(part.folder))}"
        yield CacheStatus(folder=part.folder, bytes=part.bytes, remedy=remedy)
