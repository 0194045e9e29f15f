"""FINN's rtlsim with Verilator in the place of Vivado's simulator.

FINN reaches its simulator through six names of `finn.xsi`, which it binds when Vivado is there.
`use_verilator` binds them to these here; nodes and stitched designs, FINN's own RTL among them,
are then simulated by FINN's own code, `execute_onnx` and all.
"""

import functools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import finn.xsi
import numpy as np
from finn.core.rtlsim_exec import rtlsim_exec
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.errors import SimulationError
from bnnedge.finn_backend.simulation import Simulation
from bnnedge.finn_backend.verilog import localise, ports_of
from bnnedge.verilated.stalls import NO_STALLS, Stalls
from bnnedge.verilated.stream import StreamModel

CLOCK, RESET = "ap_clk", "ap_rst_n"

_MEMORIES = "memories"


def use_verilator(
    *, stall_in: float = 0.0, stall_out: float = 0.0, seed: int = 0, cache: Path | None = None
) -> None:
    """From now on, in this process, FINN's rtlsim runs in Verilator.

    Args:
        stall_in: probability that a new input beat is withheld for a cycle.
        stall_out: probability that an output is not ready in a cycle.
        seed: of the stalls and of the registers' values before reset.
        cache: where compiled models are kept; None: the user's cache folder.

    Raises:
        SimulationError: a probability is not in [0, 1).
    """
    if not (0 <= stall_in < 1 and 0 <= stall_out < 1):
        raise SimulationError(f"wanted stalls in [0, 1), got {stall_in} and {stall_out}")
    bound = {
        "SimEngine": Simulation,
        "compile_sim_obj": functools.partial(compile_sim_obj, cache=cache),
        "load_sim_obj": functools.partial(
            load_sim_obj, stalls=Stalls.at_ends(stall_in, stall_out), seed=seed
        ),
        "reset_rtlsim": reset_rtlsim,
        "rtlsim_multi_io": rtlsim_multi_io,
        "close_rtlsim": close_rtlsim,
    }
    for name, value in bound.items():
        setattr(finn.xsi, name, value)


def compile_sim_obj(
    top_module_name: str,
    source_list: Sequence[str | Path],
    sim_out_dir: str | Path,
    debug: bool = False,
    behav: bool = False,
    *,
    cache: Path | None = None,
) -> tuple[Path, Path]:
    """Compile a design whose top module has AXI4-Streams, `ap_clk` and `ap_rst_n`.

    Inputs other than these stay 0. A model is compiled once for all weights: memory files are read
    when it starts.

    Args:
        top_module_name: what to drive.
        source_list: Verilog and SystemVerilog files; headers among them are for `include`.
        sim_out_dir: an existing folder for the model.
        debug: able to write waves (FST).
        behav: with `FINN_SIMULATION` defined.
        cache: where compiled models are kept; None: the user's cache folder.

    Returns:
        `sim_out_dir`, and the model's path in it, below `xsim.dir` where FINN looks for it.

    Raises:
        SimulationError: a file is missing, or the top module is not one that can be driven.
        ToolMissingError: g++ or Verilator is not installed.
        ToolFailedError: the design does not compile.
    """
    out = Path(sim_out_dir)
    sources = out / "sources"
    sources.mkdir(exist_ok=True)
    texts, folders = _localised(top_module_name, source_list, sources)
    for target, text in texts.items():
        target.write_text(text, encoding="utf-8")
    headers = [path for path in texts if path.suffix in (".vh", ".svh")]
    library = StreamModel(
        sources=[path for path in texts if path not in headers],
        top=top_module_name,
        ports=ports_of(top_module_name, list(texts.values()), clock=CLOCK, reset=RESET),
        defines={"FINN_SIMULATION": "1"} if behav else {},
        include_dirs=[sources] if headers else [],
        cache=cache,
    ).compile(trace=debug)
    memories = out / _MEMORIES
    memories.mkdir(exist_ok=True)
    for index, folder in enumerate(folders):
        (memories / f"mem{index}").symlink_to(folder)
    model = Path("xsim.dir") / top_module_name / "xsimk.so"
    (out / model).parent.mkdir(parents=True)
    shutil.copy(library, out / model)
    return out, model


def _localised(
    top: str, source_list: Sequence[str | Path], target: Path
) -> tuple[dict[Path, str], tuple[Path, ...]]:
    """Texts of the sources by where they go in the folder `target`; folders of memory files."""
    folders: tuple[Path, ...] = ()
    texts: dict[Path, str] = {}
    for path in _in_order(source_list):
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SimulationError(f"{path}: {error.strerror}") from error
        localised = localise(_for_verilator(path, text), path.parent, folders)
        folders = localised.folders
        place = target / path.name
        if texts.get(place, localised.text) != localised.text:
            raise SimulationError(f"{top}: two different files are called {path.name}")
        texts[place] = localised.text
    return texts, folders


def load_sim_obj(
    sim_out_dir: str | Path,
    out_so_relative_path: str | Path,
    tracefile: str | None = None,
    *,
    stalls: Stalls = NO_STALLS,
    seed: int = 0,
) -> Simulation:
    """Load and reset what `compile_sim_obj` made; `tracefile` only if compiled with `debug`."""
    folder = Path(sim_out_dir)
    return Simulation(
        folder / out_so_relative_path,
        data=folder / _MEMORIES,
        trace=Path(tracefile).with_suffix(".fst").absolute() if tracefile else None,
        stalls=stalls,
        seed=seed,
    )


def reset_rtlsim(sim: Simulation) -> None:
    """Hold the reset for 16 cycles."""
    sim.reset()


def close_rtlsim(sim: Simulation) -> None:
    """Free the model, and finish its waves."""
    sim.close()


def rtlsim_multi_io(
    sim: Simulation,
    io_dict: dict[str, dict[str, list[int]]],
    num_out_values: int | Mapping[str, int],
    sname: str = "_V_V",
    liveness_threshold: int = 10_000,
    liveness_estimate: float | None = None,
) -> int:
    """Send beats to every input and receive those expected from every output.

    Args:
        sim: what `load_sim_obj` gave.
        io_dict: `inputs`: beats by stream; `outputs`: filled in with what came.
        num_out_values: beats to expect of each output.
        sname: what the streams' names end with, beyond those in `io_dict`.
        liveness_threshold: cycles without any handshake after which the design counts as stuck;
            stalls do not count.
        liveness_estimate: what FINN derived it from; not used.

    Returns:
        Clock cycles until the last handshake.

    Raises:
        SimulationError: an output dropped or changed a beat before it was taken, the design is
            stuck, or an assertion in it failed.
    """
    expected = (
        num_out_values
        if isinstance(num_out_values, Mapping)
        else dict.fromkeys(io_dict["outputs"], num_out_values)
    )
    cycles, received = sim.run(
        {f"{name}{sname}": beats for name, beats in io_dict["inputs"].items()},
        {f"{name}{sname}": int(expected[name]) for name in io_dict["outputs"]},
        watchdog_cycles=liveness_threshold,
    )
    for name in io_dict["outputs"]:
        io_dict["outputs"][name] = received[f"{name}{sname}"]
    return cycles


def rtlsim(model: ModelWrapper, x: NDArray[Any]) -> NDArray[np.float32]:
    """Run a stitched design on a batch, image behind image without a pause.

    Args:
        model: what `StitchVerilog` gave, with one input and one output; its metadata
            `cycles_rtlsim` becomes the clock cycles of the batch.
        x: (N, …), values of the input's type, each image with the shape of the graph's input.

    Returns:
        float32 (N, …), values of the output's type.

    Raises:
        SimulationError: the design was not stitched, the shapes do not fit, a beat too many came,
            or see `rtlsim_multi_io`.
        ToolMissingError: g++ or Verilator is not installed.
    """
    if not model.get_metadata_prop("wrapper_filename"):
        raise SimulationError("wanted a stitched design", remedy="apply StitchVerilog() before")
    shape = tuple(model.get_tensor_shape(model.graph.input[0].name)[1:])
    if x.shape[1:] != shape:
        raise SimulationError(f"wanted inputs (N, {', '.join(map(str, shape))}), got {x.shape}")
    context = {model.graph.input[0].name: x.astype(np.float32)}
    rtlsim_exec(model, context, post_hook=Simulation.expect_silence)
    return context[model.graph.output[0].name].astype(np.float32)


def _in_order(sources: Sequence[str | Path]) -> list[Path]:
    """Each once, packages first, which others import."""
    paths = list(dict.fromkeys(Path(source).resolve() for source in sources))
    return sorted(paths, key=lambda path: not path.stem.endswith("_pkg"))


def _for_verilator(path: Path, text: str) -> str:
    # FINN's FIFO computes a constant with a function that returns an unpacked struct, which
    # Verilator does not support; packed, it is the same two numbers.
    return (
        text.replace("typedef struct {", "typedef struct packed {", 1)
        if (path.name == "fifo.sv")
        else text
    )
