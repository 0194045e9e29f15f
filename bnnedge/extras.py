"""What bnnedge's core does without: packages that extras of its own install, see pyproject.toml."""

import enum
import importlib.util
from collections.abc import Iterable

from bnnedge.errors import ExtraMissingError


class Extra(enum.Enum):
    """What `pip install 'bnnedge[…]'` brings."""

    TRAIN = "train"
    LOWER = "lower"
    DATA = "data"
    REPORT = "report"
    FINN = "finn"

    @property
    def modules(self) -> tuple[str, ...]:
        """What is imported of it."""
        included = (module for extra in _INCLUDED.get(self, ()) for module in extra.modules)
        return (*_MODULES[self], *included)

    @property
    def needed_for(self) -> str:
        """What is lost without it."""
        return _NEEDED_FOR[self]


_NEEDED_FOR = {
    Extra.TRAIN: "train, export, build, pretrained networks",
    Extra.LOWER: "lower",
    Extra.DATA: "the digits, pictures and recordings",
    Extra.REPORT: "report, build",
    Extra.FINN: "bnnedge.finn_backend",
}
_MODULES = {
    Extra.TRAIN: ("torch", "brevitas", "onnxscript", "tensorboard"),
    Extra.LOWER: ("onnx", "onnxruntime", "qonnx"),
    Extra.DATA: ("PIL", "scipy", "sklearn"),
    Extra.REPORT: ("matplotlib",),
    Extra.FINN: ("finn", "psutil"),
}
_INCLUDED = {Extra.TRAIN: (Extra.LOWER, Extra.DATA), Extra.FINN: (Extra.LOWER,)}


def require(what: str, *extras: Extra) -> None:
    """Raise unless the extras are installed that something needs; nothing is imported for it.

    Raises:
        ExtraMissingError: names what needs them, what is missing, and how to get it.
    """
    missing = [extra for extra in extras if not is_there(extra)]
    if missing:
        modules = [name for extra in missing for name in extra.modules if not _is_there(name)]
        raise _error(what, dict.fromkeys(modules), missing)


def is_there(extra: Extra) -> bool:
    """Whether all of it is installed."""
    return all(map(_is_there, extra.modules))


def missing_of(what: str, error: ModuleNotFoundError) -> ExtraMissingError | None:
    """What it means that something is not found, if an extra would have brought it."""
    module = (error.name or "").partition(".")[0]
    found = [extra for extra in Extra if module in _MODULES[extra] and not _is_there(module)]
    return _error(what, [module], found) if found else None


def _error(what: str, modules: Iterable[str], extras: Iterable[Extra]) -> ExtraMissingError:
    names = ",".join(extra.value for extra in extras)
    first, *others = modules
    more = f" and {len(others)} more are" if others else " is"
    return ExtraMissingError(
        f"{what} wants the extra {names}, of which {first}{more} not installed",
        remedy=f"pip install 'bnnedge[{names}]'",
    )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # what stands in its place cannot be imported
        return False
