"""The C++ of a network, compiled with g++ and run as a function."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.cache import build_once, digest
from bnnedge.design import Design
from bnnedge.errors import SimulationError
from bnnedge.scratch import scratch

STANDARD = "c++14"
FLAGS = (f"-std={STANDARD}", "-O1", "-w")
_SOURCES = ("bnnedge_core.cpp", "test_bench.cpp")
_BENCH = "test_bench"
_TIMEOUT_S = 3600.0
# What hls::stream prints where words are missing or left over.
STREAM_WARNING = "WARNING: Hls::stream"


@dataclass(frozen=True, kw_only=True)
class CModel:
    """The C++ in an HLS folder.

    Attributes:
        folder: the HLS folder, or one that is still being written.
        design: of the RTL folder that it was made of.
        ap_types: folder of `ap_int.h`; None: see `bnnedge.tools.ap_types`.
    """

    folder: Path
    design: Design
    ap_types: Path | None = None

    def compile(self) -> Path:
        """The compiled test bench, made unless it is in the cache.

        Raises:
            ToolMissingError: there is no g++, or no `ap_int.h`.
            ToolFailedError: it does not compile.
        """
        headers = tools.ap_types(self.ap_types)
        cache = tools.cache_dir() / "hls"
        sources = sorted(p for pattern in ("**/*.hpp", "*.cpp") for p in self.folder.glob(pattern))
        key = digest(list(FLAGS), tools.version("g++"), sorted(headers.rglob("*.h")), sources)

        def build(_: Path, done: Path, log: Path) -> None:
            argv: list[str | Path] = [
                tools.find("g++"),
                *FLAGS,
                "-isystem",
                headers,
                "-I",
                "include",
            ]
            argv += [*_SOURCES, "-o", done / _BENCH]
            tools.run(argv, cwd=self.folder, log=log, timeout_s=_TIMEOUT_S)

        return build_once(cache, key, build) / _BENCH

    def run(self, encoded: NDArray[Any]) -> NDArray[np.int64]:
        """Results (N, output elements) of encoded inputs (N, …), bits or integers.

        Raises:
            SimulationError: a stream was read while empty, or something was left over.
            ToolMissingError, ToolFailedError: see `compile`; or the test bench fails.
        """
        bench = self.compile()
        with scratch() as folder:
            (folder / "inputs.bin").write_bytes(self.design.pack(encoded).tobytes())
            log = bench.parent.with_suffix(".log")
            tools.run(
                [bench, "inputs.bin", "outputs.bin"], cwd=folder, log=log, timeout_s=_TIMEOUT_S
            )
            warnings = [
                line
                for line in log.read_text(encoding="utf-8").splitlines()
                if STREAM_WARNING in line
            ]
            if warnings:
                raise SimulationError(f"{self.design.name}: {warnings[0]}")
            packed = np.frombuffer((folder / "outputs.bin").read_bytes(), np.uint8)
        return self.design.unpack(packed.reshape(len(encoded), -1))
