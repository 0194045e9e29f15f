"""Compiles and runs one kernel's HLS twin, as `tests/hardware` does its module."""

import functools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.cache import build_once, digest
from bnnedge.errors import ToolMissingError
from bnnedge.hardware.kernels import Kernel
from bnnedge.verilated.stalls import Stalls
from bnnedge.vitis_hls.csim import STANDARD
from bnnedge.vitis_hls.emit import WARNINGS, render
from bnnedge.vitis_hls.top import INCLUDE_FOLDER, Top, roms_of, template_arguments
from tests.hardware.bench import KernelBench
from tests.streams import OneWay

_BENCH = Path(__file__).parent / "bench.hpp"
_FLAGS = (f"-std={STANDARD}", "-O0", *WARNINGS, "-Werror", "-I", str(INCLUDE_FOLDER))


def _missing() -> str:
    """Why C++ cannot be compiled here; empty where it can."""
    try:
        tools.find("g++"), tools.ap_types()
    except ToolMissingError as error:
        return str(error)
    return ""


needs_ap_types = pytest.mark.skipif(bool(_missing()), reason=_missing())


def _compile(source: Path, target: Path, *more: str | Path) -> None:
    argv = [tools.find("g++"), *_FLAGS, "-isystem", tools.ap_types(), *more, source, "-o", target]
    tools.run(argv, cwd=source.parent, log=target.with_suffix(".log"), timeout_s=300)


@functools.cache
def _precompiled(cache: Path) -> Path:
    """The folder of the bench's header with all kernels, parsed once."""
    headers = sorted(INCLUDE_FOLDER.rglob("*.hpp"))

    def build(_: Path, done: Path, log: Path) -> None:
        shutil.copyfile(_BENCH, done / _BENCH.name)
        lines = (f'#include "bnnedge/{header.name}"\n' for header in headers)
        (done / "kernels.hpp").write_text("".join(lines))
        _compile(done / _BENCH.name, done / f"{_BENCH.name}.gch", "-x", "c++-header")

    return build_once(cache, digest(list(_FLAGS), headers, _BENCH), build)


class HlsBench(KernelBench):
    """The kernel's HLS twin, compiled with g++: one run, which has no clock cycles to count."""

    stalls = (None,)

    def run(
        self, kernel: Kernel, inputs: Sequence[NDArray[np.uint8]], beats: int, stalls: Stalls | None
    ) -> tuple[list[NDArray[np.uint8]], OneWay | None]:
        frames, rest = divmod(len(inputs[0]), kernel.frame.taken[0])
        assert not rest
        arguments = template_arguments(kernel, Frames=1)
        roms = roms_of(kernel)
        ports = dict(zip(kernel.ports_in, kernel.widths_in, strict=True))
        ports |= dict(zip(kernel.ports_out, kernel.widths_out, strict=True))
        names = [*ports, str(frames), *(rom.name if rom else "bnnedge::no_rom" for rom in roms)]
        lines = ['#include "bench.hpp"', '#include "memories.hpp"', "int main() {"]
        lines += [
            f'hls::stream<ap_uint<{width}>> {port}("{port}");' for port, width in ports.items()
        ]
        lines += [f'load("{port}.bin", {port});' for port in kernel.ports_in]
        values = ", ".join(map(str, arguments.values()))
        lines.append(f"bnnedge::{kernel.module}<{values}>({', '.join(names)});")
        lines += [f'save({port}, "{port}.bin");' for port in kernel.ports_out]
        lines.append("}\n")
        with tempfile.TemporaryDirectory() as name:
            work = Path(name)
            top = Top(channels=(), calls=(), roms=tuple(rom for rom in roms if rom))
            design = SimpleNamespace(name=kernel.module)
            (work / "memories.hpp").write_text(render("memories.hpp", design=design, top=top))
            (work / "bench.cpp").write_text("\n".join(lines))
            for port, words in zip(kernel.ports_in, inputs, strict=True):
                (work / f"{port}.bin").write_bytes(words.tobytes())
            _compile(work / "bench.cpp", work / "bench", "-I", _precompiled(self.cache))
            log = work / "run.log"
            tools.run([work / "bench"], cwd=work, log=log, timeout_s=60)
            assert log.read_text() == ""
            outputs = [
                np.frombuffer((work / f"{port}.bin").read_bytes(), np.uint8).reshape(
                    -1, -(-ports[port] // 8)
                )
                for port in kernel.ports_out
            ]
        assert all(len(output) == beats for output in outputs)
        return outputs, None
