"""What can go wrong, as one line each: subject, wanted, got and remedy.

Every mistake that a user can make raises a `BnnEdgeError`; the command line prints its text
without a traceback. Anything else that escapes is a defect of bnnedge.
"""

import contextlib
from collections.abc import Container, Iterable, Iterator

_MOST_FAULTS = 20
_FLAGS: list[Container[str]] = [()]  # a command line is the whole process's, with its threads


@contextlib.contextmanager
def flags(options: Container[str]) -> Iterator[None]:
    """In this block `named` writes these options as the command line does."""
    _FLAGS.append(options)
    try:
        yield
    finally:
        _FLAGS.pop()


def named(option: str, value: object = None) -> str:
    """An option in the words of the caller, for what an error says.

    Args:
        option: its keyword.
        value: that is meant; None: none in particular.

    Returns:
        In Python `seed`, `seed=3`, `trust=True`; on the command line `--seed`, `--seed 3`,
        `--trust`, `--no-vivado`, and `-o` for `out`.
    """
    if option not in _FLAGS[-1]:
        return option if value is None else f"{option}={value!r}"
    if option == "out":
        return "-o"
    words = option.replace("_", "-")
    if isinstance(value, bool) or value is None:
        return f"--no-{words}" if value is False else f"--{words}"
    return f"--{words} {value}"


class BnnEdgeError(Exception):
    """A failure with a one-line cause and, where one is known, a remedy."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message if remedy is None else f"{message} — {remedy}")


class BnnEdgeWarning(UserWarning):
    """Something is not as the user will have meant it, and goes on: slower, or from the start."""


class ConfigError(BnnEdgeError):
    """A recipe or an option is not what it should be.

    Attributes:
        faults: everything that is wrong, each with its remedy; mostly one.
    """

    def __init__(
        self, message: str, *, remedy: str | None = None, faults: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.faults = faults or (str(self),)

    @classmethod
    def of(cls, faults: Iterable[str], *, source: str = "") -> "ConfigError":
        """One error that says all of `faults`, of which there is at least one.

        Args:
            faults: what is wrong, each with its remedy.
            source: where, e.g. the file's path.
        """
        found = tuple(faults)
        text = found[0]
        if len(found) > 1:
            numbered = [f"({number}) {fault}" for number, fault in enumerate(found, 1)]
            more = [f"and {len(found) - _MOST_FAULTS} more"] if len(found) > _MOST_FAULTS else []
            text = f"{len(found)} faults: {'; '.join(numbered[:_MOST_FAULTS] + more)}"
        return cls(f"{source}: {text}" if source else text, faults=found)


def raise_faults(faults: Iterable[ConfigError]) -> None:
    """Raise everything that is wrong in one error, if anything is.

    Raises:
        ConfigError: the only fault itself, or `ConfigError.of` all.
    """
    found = tuple(faults)
    if len(found) == 1:
        raise found[0]
    if found:
        raise ConfigError.of(fault for error in found for fault in error.faults)


class ArtifactError(ConfigError):
    """A folder that a stage wrote was changed, or what is in it would be lost."""


class DataError(BnnEdgeError):
    """A data set is missing, truncated or not the one named."""


class ArrayError(DataError):
    """An `.npy` or `.npz` file is missing, damaged, too large, or holds more than numbers."""


class CheckpointError(BnnEdgeError):
    """A checkpoint cannot be read, or holds more than weights."""


class TrainingError(BnnEdgeError):
    """A training diverged: its loss or its weights are no longer finite."""


class ExportError(BnnEdgeError):
    """The exported graph is not the network that was trained."""


class LoweringError(BnnEdgeError):
    """An ONNX graph cannot become a Dataflow; the node is named."""


class DataflowError(BnnEdgeError):
    """A Dataflow folder is corrupt, of another version, or inconsistent."""


class FoldingError(BnnEdgeError):
    """PE or SIMD do not fit a layer, or a target cannot be reached."""


class DesignError(BnnEdgeError):
    """A network has no hardware, or an RTL folder is corrupt or incomplete."""


class SimulationError(BnnEdgeError):
    """Simulated hardware broke its protocol, got stuck, or left something over."""


class MismatchError(BnnEdgeError):
    """Two stages that must be equal are not; the first difference is named."""


class SynthesisError(BnnEdgeError):
    """A board is unknown, or a design does not fit or route."""


class DeploymentError(BnnEdgeError):
    """A package is incomplete, or a device does not answer as its manifest says."""


class ToolMissingError(BnnEdgeError):
    """An executable that this step needs is not installed."""


class ExtraMissingError(BnnEdgeError, ImportError):
    """Packages that this step needs are not installed."""


class ToolFailedError(BnnEdgeError):
    """An executable ran and failed; its log is named."""
