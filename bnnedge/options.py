"""Options: each is declared once, as a field of a frozen dataclass; everything else follows.

The fields become keywords of a Python verb (`keywords`), options of its command (`bnnedge.shell`),
keys of a recipe's section (`bnnedge.recipe`) and lines of the reference (`bnnedge.reference`).
"""

import dataclasses
import functools
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from bnnedge.arguments import bound, checked
from bnnedge.errors import BnnEdgeError, ConfigError, named

_OPTION = "option"
_DECLARED = "__options__"
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_Config = TypeVar("_Config")


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is said of an option beside its field's name, type and default.

    Attributes:
        help: what it is, in a line; of what is on by default, what leaving it out does.
        least: smallest value.
        most: largest value.
        unit: of a value.
        section: of a recipe, in which it is a key of the same name.
        given: what a caller gives, where that is of another type than the field: type and default.
        made: makes the field's value of what a caller gives.
        choices: names that a shell completes, beside files.
    """

    help: str
    least: float | None = None
    most: float | None = None
    unit: str | None = None
    section: str | None = None
    given: tuple[Any, Any] | None = None
    made: Callable[[Any], Any] | None = None
    choices: Callable[[], Iterable[str]] | None = None

    def check(self, name: str, value: Any, raises: type[BnnEdgeError]) -> None:
        """Raise unless a value is within bounds."""
        if self.least is None or self.most is None or value is None:
            return
        if not self.least <= value <= self.most:
            unit = f" {self.unit}" if self.unit else ""
            got = f"{value:g}" if isinstance(value, float) else value
            raise raises(f"{name}: wanted {self.bounds}{unit}, got {got}")

    @property
    def bounds(self) -> str:
        """From where to where, e.g. "0 to 100"; nothing where there are none."""
        if self.least is None or self.most is None:
            return ""
        return f"{_shown(self.least)} to {_shown(self.most)}"


def _shown(value: float) -> str:
    """A bound as errors name it: with commas, floats as short as they are."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def option(default: Any = dataclasses.MISSING, *, help: str, **said: Any) -> Any:
    """A field that is an option; for `said` see `Option`."""
    metadata = {_OPTION: Option(help=help, **said)}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """An option as callers see it.

    Attributes:
        name: keyword, key, and the command line's without dashes.
        type: of a value.
        default: MISSING: it must be given.
        option: all else.
    """

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """On the command line; see `off`."""
        words = self.name.replace("_", "-")
        return f"--no-{words}" if self.default is True else f"--{words}"

    @property
    def off(self) -> str | None:
        """The flag for no, of what may be wanted, or not, or left open."""
        left_open = self.default is None and bool in typing.get_args(self.type)
        return f"--no-{self.flag.removeprefix('--')}" if left_open else None


def options_of(config: type[Any]) -> tuple[Declared, ...]:
    """The options that a dataclass declares."""
    types = typing.get_type_hints(config)
    return tuple(
        Declared(
            name=field.name,
            type=types[field.name] if said.given is None else said.given[0],
            default=field.default if said.given is None else said.given[1],
            option=said,
        )
        for field in dataclasses.fields(config)
        if (said := field.metadata.get(_OPTION)) is not None
    )


def options_for(verb: Callable[..., Any] | None) -> tuple[Declared, ...]:
    """The options that a function takes by `keywords`."""
    declared: tuple[Declared, ...] = getattr(verb, _DECLARED, ())
    return declared


def check_bounds(config: Any, raises: type[BnnEdgeError] = ConfigError) -> None:
    """Raise unless the options of a dataclass are within their bounds.

    Raises:
        BnnEdgeError: names the first that is not, with what is wanted.
    """
    for declared in options_of(type(config)):
        declared.option.check(named(declared.name), getattr(config, declared.name), raises)


def keywords(function: Callable[_Given, _Result]) -> Callable[..., _Result]:
    """The same function, called with options as keywords in place of the dataclasses of them.

    Arguments are checked as `checked` does it. Signature and documentation say what is taken.
    """
    signature = inspect.signature(function)
    configs: dict[str, type[Any]] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if _declares(parameter.annotation)
    }
    declared = {name: options_of(config) for name, config in configs.items()}
    every = tuple(option for options in declared.values() for option in options)
    parameters = [p for name, p in signature.parameters.items() if name not in configs]
    split = sum(p.kind is not inspect.Parameter.KEYWORD_ONLY for p in parameters)
    parameters[split:split] = map(_parameter, every)
    public = signature.replace(parameters=parameters)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> _Result:
        given = public.bind(*args, **kwargs).arguments
        made = {name: configs[name](**_values(each, given)) for name, each in declared.items()}
        taken = {option.name for option in every}
        own = {name: value for name, value in given.items() if name not in taken}
        whole = signature.bind_partial(**own, **made)
        return function(*whole.args, **whole.kwargs)

    call.__signature__ = public  # type: ignore[attr-defined]
    call.__doc__ = _documented(function.__doc__ or "", every)
    setattr(call, _DECLARED, every)
    return checked(call)


def chosen(verb: str, config: type[_Config], given: Mapping[str, Any]) -> _Config:
    """The options of a verb by themselves, checked as it does."""
    declared = options_of(config)
    taken = bound(verb, inspect.Signature(list(map(_parameter, declared))), (), given)
    return config(**_values(declared, taken.arguments))


def _declares(annotation: Any) -> bool:
    """Whether a parameter stands for options."""
    return (
        isinstance(annotation, type)
        and dataclasses.is_dataclass(annotation)
        and bool(options_of(annotation))
    )


def _values(options: tuple[Declared, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Fields of what a caller gives."""
    return {
        each.name: each.option.made(given[each.name]) if each.option.made else given[each.name]
        for each in options
        if each.name in given
    }


def _parameter(declared: Declared) -> inspect.Parameter:
    default = declared.default
    return inspect.Parameter(
        declared.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is dataclasses.MISSING else default,
        annotation=declared.type,
    )


def _documented(text: str, options: tuple[Declared, ...]) -> str:
    """A function's documentation with its options."""
    lines = [f"{declared.name}: {declared.option.help}" for declared in options]
    section = textwrap.indent("\n".join(lines), "    ")
    return f"{inspect.cleandoc(text)}\n\nOptions:\n{section}\n"
