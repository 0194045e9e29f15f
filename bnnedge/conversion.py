"""`convert`: a network becomes a `Model`, an object whose methods are the stages."""

import contextlib
import dataclasses
import functools
import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from bnnedge import verbs
from bnnedge.arguments import path_of
from bnnedge.artifacts import Artifact, sha256_of
from bnnedge.data.pairs import examples_of
from bnnedge.dataflow import Dataflow
from bnnedge.dataflow.arrays import as_array
from bnnedge.dataflow.summary import Summary
from bnnedge.deployment.facts import DEPLOY, PACKAGE, Deployment, PackageFacts
from bnnedge.errors import ArtifactError, BnnEdgeWarning, ConfigError
from bnnedge.exporter.facts import EXPORT, ExportFacts
from bnnedge.extras import Extra, require
from bnnedge.findings import Check
from bnnedge.hardware.config import RtlConfig
from bnnedge.hardware.facts import RTL, RtlFacts
from bnnedge.interrupts import whole_imports
from bnnedge.lowering.config import LoweringConfig
from bnnedge.lowering.facts import LOWER
from bnnedge.names import network_name
from bnnedge.options import chosen, keywords
from bnnedge.progress import Progress, silent
from bnnedge.scratch import scratch
from bnnedge.simulation.config import SimulationConfig
from bnnedge.simulation.facts import SIMULATE, SimulationResult
from bnnedge.stages import Stage
from bnnedge.steps import Plan, Steps, model_of, require_own
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.facts import SYNTH, SynthesisFacts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor
    from torch.utils.data import Dataset

_Answers = Callable[[Any], NDArray[np.float32]]


@keywords
def convert(
    model: Any,
    example_inputs: Any = None,
    out: Path | None = None,
    *,
    config: LoweringConfig,
    labels: Any = None,
    classes: Sequence[str] | None = None,
    progress: Progress = silent,
) -> "Model":
    """Export a torch module, or take an ONNX file, lower it, and go on from there.

    Args:
        model: an `nn.Module`, which stays as it is, or an ONNX file.
        example_inputs: (N, *input shape), real inputs; a module wants them. A pair of them and
            labels will do, too, or a torch `Dataset`, see `bnnedge.data.pairs`.
        out: the model's folder. None: one below the current folder, named after the network and
            the digest of its numbers; a warning says which.
        labels: (N,) classes of the examples; None: as `example_inputs` says, or not known.
        classes: their names; None: those that the file has.
        progress: called at each step.

    Raises:
        ConfigError: `out` is not a model's folder, or a module comes without examples.
        BnnEdgeError: see `bnnedge.export` and `bnnedge.lower`.
    """
    answers: _Answers | None = None
    require("convert", Extra.TRAIN if verbs.is_module(model) else Extra.LOWER)
    examples, known = examples_of(example_inputs, labels)
    if verbs.is_module(model):
        if example_inputs is None:
            raise ConfigError(
                "convert: a module wants example_inputs", remedy="give some rows of its inputs"
            )
        with whole_imports():
            from bnnedge.exporter.own_module import answers_of
            from bnnedge.exporter.snapshot import snapshot

        model, rule = snapshot(model), config.sign_zero
        name, answers, digest = type(model).__name__, answers_of(model, rule), _digest(model)
        export = functools.partial(
            _export, model, examples, labels=known, classes=classes, sign_zero=rule
        )
        plan = Plan(name=config.name or network_name(name), export=export, lower=config)
    else:
        if labels is not None:
            raise ConfigError("convert: labels go with a module, got a file")
        file = _file(model)
        digest = sha256_of(file) if file.is_file() else ""
        plan = Plan(
            name=config.name or _name_in(file),
            model=file,
            inputs=None if examples is None else as_array(examples),
            lower=verbs.named(config, classes),
        )
    if out is None:
        out = _default_folder(plan.name, digest)
    require_own(out)
    return Model(Steps(plan, out.absolute()), answers, progress)


def _file(model: Any) -> Path:
    """The ONNX file that is named, or that is in the folder."""
    if callable(model) or isinstance(model, Mapping):
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise ConfigError(
            f"convert: model: wanted an nn.Module or an ONNX file, got {got}",
            remedy="give an instance of the module, into which what was trained is loaded",
        )
    file = path_of("convert: model", model)
    return file / verbs.MODEL_FILE if file.is_dir() else file


def _default_folder(name: str, digest: str) -> Path:
    out = Path(f"{name}-{digest[:8]}")
    said = f"convert: no out was given, so {name} goes to {out.absolute()}"
    warnings.warn(said, BnnEdgeWarning, stacklevel=5)
    return out


def _name_in(file: Path) -> str:
    with whole_imports():
        from bnnedge.lowering.load import name_in, parse

    return name_in(parse(file), file)


def _export(
    module: Any, examples: Any, steps: Steps, out: Path, progress: Progress, **said: Any
) -> Artifact[ExportFacts]:
    before = steps.stages.get(EXPORT.kind)
    if before is not None:  # torch takes seconds to write the same again
        with contextlib.suppress(ArtifactError):
            if EXPORT.load(out) == before.artifact and not before.artifact.changed():
                return before.artifact
    return verbs.export(module, examples, out, progress=progress, **said)


def _inputs(x: Any) -> NDArray[Any]:
    """What a method is given: an array, or what `convert` takes."""
    return as_array(examples_of(x)[0])


def _digest(module: Any) -> str:
    """sha256 over a module's type and numbers."""
    import torch

    digest = hashlib.sha256(repr(module).encode())
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        content = tensor.detach().cpu().reshape(-1).view(torch.uint8)
        digest.update(name.encode() + content.numpy().tobytes())
    return digest.hexdigest()


class Model:
    """A lowered network and its folder, in which every stage has one of its own.

    A stage's method runs it and what it needs, with the options of the verb of its name. Without
    any it returns what is there, if that was made of what is there before it.

    Attributes:
        folder: where everything is.
        dataflow: the network as integers.
    """

    folder: Path
    dataflow: Dataflow

    def __init__(self, steps: Steps, answers: _Answers | None, progress: Progress) -> None:
        """See `convert`."""
        self._steps, self._answers = steps, answers
        self.folder = steps.out
        self._run(LOWER, progress)
        self.dataflow = Dataflow.load(steps.folder(LOWER.kind))

    def __repr__(self) -> str:
        done = ", ".join(built.name for built in self._steps.ran)
        return f"<bnnedge.Model {self.dataflow.name}: {done} in {self.folder}>"

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            f"a Model cannot be pickled or copied: it is the folder {self.folder}",
            remedy="take its dataflow, or convert again with that folder: what is there is kept",
        )

    def summary(self) -> Summary:
        """A line a node, with what it takes: of the hardware that is there, else by default."""
        made = self._steps.stages.get(RTL.kind)
        if made is not None:
            return self.dataflow.summary(made.artifact.facts.kernels)
        with scratch() as work:
            written = verbs.rtl(self._steps.folder(LOWER.kind), work / RTL.kind)
            return self.dataflow.summary(written.facts.kernels)

    def predict(self, x: "ArrayLike | Tensor | Dataset[Any]") -> NDArray[np.int64]:
        """Inputs (N, *input shape) → classes (N,), by the bit-packed emulator."""
        from bnnedge.emulator import Emulator

        if len(self.dataflow.output.values) == 1:
            said = "predict: the largest of one output is always class 0; see dataflow.logits(x)"
            warnings.warn(said, BnnEdgeWarning, stacklevel=2)
        return Emulator(self.dataflow).predict(_inputs(x))

    def trace(self, x: "ArrayLike | Tensor | Dataset[Any]") -> dict[str, NDArray[Any]]:
        """Inputs (N, *input shape) → what every node gives, by its name; "input" is encoded."""
        return self.dataflow.trace(_inputs(x))

    def compare(self, x: "ArrayLike | Tensor | Dataset[Any]") -> tuple[Check, ...]:
        """Compare the Dataflow on inputs (N, *input shape) with the graph, bit by bit, and PyTorch.

        Raises:
            MismatchError: names the first layer, channel and image that differ.
        """
        from bnnedge.lowering import compare

        plan, inputs = self._steps.plan, _inputs(x)
        logits = None if self._answers is None else self._answers(inputs)
        config = dataclasses.replace(plan.lower, name=plan.name)
        return compare(model_of(self._steps), config, inputs, logits)

    def rtl(self, *, progress: Progress = silent, **options: Any) -> Artifact[RtlFacts]:
        """Write the hardware; options are those of `bnnedge.rtl`. FIFOs are sized, if need be."""
        made = {"rtl": chosen(RTL.kind, RtlConfig, options)} if options else {}
        return self._run(RTL, progress, **made)

    def simulate(
        self, *, progress: Progress = silent, **options: Any
    ) -> Artifact[SimulationResult]:
        """Simulate the hardware on the examples; options are those of `bnnedge.simulate`.

        Without examples, on generated inputs. By default 256 of them.
        """
        made = {"simulation": chosen(SIMULATE.kind, SimulationConfig, options)} if options else {}
        return self._run(SIMULATE, progress, **made)

    def synth(self, *, progress: Progress = silent, **options: Any) -> Artifact[SynthesisFacts]:
        """Make a bitstream; options are those of `bnnedge.synth`, of which `board` is needed."""
        made = {"synth": chosen(SYNTH.kind, SynthesisConfig, options)} if options else {}
        return self._run(SYNTH, progress, **made)

    def package(self, *, progress: Progress = silent) -> Artifact[PackageFacts]:
        """Pack bitstream, driver and examples for the board that was synthesised for."""
        return self._run(PACKAGE, progress)

    def deploy(self, *, progress: Progress = silent) -> Artifact[Deployment]:
        """Run the package's examples on the simulated board, and compare every result."""
        return self._run(DEPLOY, progress)

    def report(self) -> Path:
        """Write `report.html` on all that ran, and return where it is."""
        return self._steps.report()

    def _run(self, stage: Stage[Any], progress: Progress, **chosen: Any) -> Artifact[Any]:
        """Run a stage; options that it cannot be run with are forgotten."""
        before = self._steps.plan
        self._steps.plan = dataclasses.replace(before, **chosen)
        try:
            self._steps.run(stage, lambda name: progress)
        except BaseException:
            self._steps.plan = before
            raise
        return self._steps.stages[stage.kind].artifact
