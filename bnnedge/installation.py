"""What is installed: tools with their versions, and what caches hold."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from bnnedge import cache, tools
from bnnedge.errors import ToolMissingError


@dataclass(frozen=True, kw_only=True)
class ToolStatus:
    """What `doctor` says of a tool; `version` is None where it is missing."""

    name: str
    version: str | None
    needed_for: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class CacheStatus:
    """What `doctor` says of a folder in which something is kept between runs."""

    folder: Path
    bytes: int
    remedy: str


def doctor() -> tuple[ToolStatus | CacheStatus, ...]:
    """Which tools are here, in which versions, what each missing one costs; what caches hold."""

    def status(tool: tools.Tool) -> ToolStatus:
        try:
            version: str | None = tools.version(tool.name)
        except ToolMissingError:
            version = None
        return ToolStatus(
            name=tool.name, version=version, needed_for=tool.needed_for, remedy=tool.remedy
        )

    caches = (
        CacheStatus(
            folder=part.folder,
            bytes=part.bytes,
            remedy=f"rm -r {shlex.quote(str(part.folder))}",
        )
        for part in cache.parts()
    )
    return (*map(status, tools.TOOLS.values()), *caches)
