"""What a Verilog file says about its ports and the files that it reads."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import SimulationError
from bnnedge.verilated.ports import StreamPort, StreamPorts
from bnnedge.verilog import Stream


def ports_of(top: str, texts: Sequence[str], *, clock: str, reset: str) -> StreamPorts:
    """The ports of module `top`, which one of `texts` defines with its ports in its header.

    Raises:
        SimulationError: there is no such module, or it has no clock, reset or complete stream.
    """
    directions = _directions(top, texts)
    inputs = {name for name, direction in directions.items() if direction == "input"}
    missing = {clock, reset} - inputs
    if missing:
        raise SimulationError(f"{top}: wanted the inputs {clock} and {reset}, got {directions}")
    taken = _streams(directions, "input")
    given = _streams(directions, "output")
    driven = {clock, reset}
    for stream in taken:
        driven |= {stream.signals.valid, stream.signals.data}
    driven |= {stream.signals.ready for stream in given}
    if not given:
        raise SimulationError(f"{top}: wanted an AXI4-Stream to receive, got {directions}")
    return StreamPorts(
        inputs=taken,
        outputs=given,
        clock=clock,
        reset=reset,
        tied=tuple(name for name in directions if name in inputs - driven),
    )


def _directions(top: str, texts: Sequence[str]) -> Mapping[str, str]:
    """Direction of every port, in the order of the header."""
    for text in texts:
        plain = re.sub(r"//[^\n]*|/\*.*?\*/|\(\*.*?\*\)", "", text, flags=re.DOTALL)
        header = re.search(rf"\bmodule\s+{re.escape(top)}\b(.*?)\)\s*;", plain, re.DOTALL)
        if header:
            break
    else:
        raise SimulationError(f"no source file defines the module {top}")
    # A parameter list has neither word; ranges are dropped, since they may hold commas.
    first = re.search(r"\b(?:input|output|inout)\b", header[1])
    listed = header[1][first.start() :] if first else ""
    direction, directions = "", {}
    for part in re.sub(r"\[[^\]]*\]", " ", listed).split(","):
        words = re.findall(r"\w+", part)
        direction = words[0] if words[0] in ("input", "output", "inout") else direction
        directions[words[-1]] = direction
    return directions


def _streams(directions: Mapping[str, str], direction: str) -> tuple[StreamPort, ...]:
    streams = []
    for valid in directions:
        name, _, suffix = valid.rpartition("_")
        if directions[valid] != direction or suffix.lower() != "tvalid":
            continue
        signals = Stream.axis(name, upper=suffix.isupper())
        if signals.ready in directions and signals.data in directions:
            streams.append(StreamPort(name=name, signals=signals))
    return tuple(streams)


@dataclass(frozen=True, kw_only=True)
class Localised:
    """A source file whose memory files are named relative to a folder of links.

    Attributes:
        text: with `mem<i>/` for the i-th folder.
        folders: that hold memory files, this file's and those of the files before.
    """

    text: str
    folders: tuple[Path, ...]


def localise(text: str, home: Path, folders: tuple[Path, ...]) -> Localised:
    """Name memory files without their absolute folders, which differ from build to build.

    So a compiled model can be found again, and serves any weights.

    Args:
        text: of a source file.
        home: its folder, which "./" stands for.
        folders: those found before.
    """
    known = list(folders)

    def number(match: re.Match[str]) -> str:
        path = Path(match[1]) if match[1].startswith("/") else home / match[1]
        folder = path.parent.resolve()
        if not folder.is_dir():
            return match[0]
        if folder not in known:
            known.append(folder)
        return f'"mem{known.index(folder)}/{path.name}"'

    return Localised(text=re.sub(r'"((?:\./|/)[^"\n]*)"', number, text), folders=tuple(known))
