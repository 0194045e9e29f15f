"""The stage: RTL folder in, HLS folder out."""

import dataclasses
import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.arguments import checked
from bnnedge.artifacts import Artifact
from bnnedge.dataflow import Dataflow
from bnnedge.design import TOP_MODULE, Design
from bnnedge.equality import Judge
from bnnedge.hardware.emit import read_network
from bnnedge.progress import Progress, silent
from bnnedge.vitis_hls.config import HlsConfig
from bnnedge.vitis_hls.csim import STANDARD, CModel
from bnnedge.vitis_hls.facts import HLS, HlsFacts
from bnnedge.vitis_hls.top import INCLUDE_FOLDER, build_top

S_AXIS, M_AXIS = "s_axis", "m_axis"
# Two of g++'s warnings are about constructors inside ap_types, whoever calls them.
WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Wno-unknown-pragmas",
    "-Wno-uninitialized",
    "-Wno-maybe-uninitialized",
)
_TEST_BENCH = Path(__file__).parent / "test_bench.cpp"
_GENERATED = (
    f"{TOP_MODULE}.hpp",
    f"{TOP_MODULE}.cpp",
    "memories.hpp",
    "run_hls.tcl",
    "Makefile",
    "README.md",
)


@checked
def emit(
    rtl: Path,
    config: HlsConfig,
    out: Path,
    *,
    vectors: Callable[[Dataflow], NDArray[Any]],
    progress: Progress = silent,
) -> Artifact[HlsFacts]:
    """Write the HLS C++ of an RTL folder, with a test bench, its vectors and a Tcl script.

    Args:
        rtl: folder written by `bnnedge rtl`.
        config: device, clock, whether it is checked.
        out: folder to publish.
        vectors: gives encoded inputs (N, …) for the test bench, N >= 1.
        progress: called at each step.

    Raises:
        DesignError, DataflowError: `rtl` is not a whole RTL folder.
        MismatchError: checked, a result differs from the Dataflow's.
        SimulationError, ToolMissingError, ToolFailedError: checked, it did not compile or run.
    """
    design = Design.load(rtl)
    dataflow = Dataflow.load(rtl / "dataflow")
    judge = Judge(dataflow, vectors(dataflow))
    inputs = design.pack(judge.encoded)

    def write(folder: Path) -> HlsFacts:
        progress("writing", 0.0)
        facts = _write(design, rtl, config, folder)
        (folder / "inputs.bin").write_bytes(inputs.tobytes())
        (folder / "expected.bin").write_bytes(design.pack_results(judge.wanted).tobytes())
        if config.check:
            model = CModel(folder=folder, design=design, ap_types=config.ap_types)
            return _check(model, judge, facts, progress)
        return facts

    checked = ("g++",) if config.check else ()
    return HLS.publish(
        out,
        write,
        config={"config": config, "inputs": hashlib.sha256(inputs.tobytes()).hexdigest()},
        inputs=(rtl,),
        tools=lambda: {name: tools.version(name) for name in checked},
    )


def _write(design: Design, rtl: Path, config: HlsConfig, folder: Path) -> HlsFacts:
    network = read_network(rtl)
    top = build_top(
        network.placed,
        ports=(S_AXIS, M_AXIS),
        words=design.input_beats,
        last=network.last,
        folder=rtl,
    )
    shutil.copytree(INCLUDE_FOLDER, folder / "include")
    shutil.copyfile(_TEST_BENCH, folder / _TEST_BENCH.name)
    for name in _GENERATED:
        text = render(
            name, design=design, top=top, config=config, standard=STANDARD, warnings=WARNINGS
        )
        (folder / name).write_text(text, encoding="utf-8")
    return HlsFacts(
        kernels=len(top.calls),
        streams=len(top.channels),
        memory_bits=sum(rom.total_bits for rom in top.roms),
    )


def render(name: str, **values: Any) -> str:
    """The text of a generated file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bnnedge.vitis_hls", "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"{name}.j2").render(values)


def _check(model: CModel, judge: Judge, facts: HlsFacts, progress: Progress) -> HlsFacts:
    """Compile and run; facts with what was measured. Raises MismatchError if a result differs."""
    start = time.perf_counter()
    progress("compiling", 0.1)
    model.compile()
    compiled = time.perf_counter()
    progress(f"running {len(judge.wanted)} images", 0.8)
    got = model.run(judge.encoded)
    done = time.perf_counter()
    judge.check(got, subject="HLS C++")
    return dataclasses.replace(
        facts,
        checked_images=len(judge.wanted),
        compile_s=round(compiled - start, 3),
        run_s=round(done - compiled, 3),
    )
