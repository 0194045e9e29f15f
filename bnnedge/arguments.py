"""What callers give the verbs, checked at the door: a path may be text, a number any number."""

import difflib
import enum
import functools
import inspect
import math
import numbers
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from bnnedge.errors import ConfigError

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_Member = TypeVar("_Member", bound=enum.Enum)
_MOST_INT = 2**63 - 1
_MOST_NAME_BYTES = 255
_MOST_SHOWN = 60


def checked(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """The same function, with its arguments checked by their annotations.

    Where it wants a `Path`, it also takes text and whatever else names a path; where it wants a
    float or an int, any finite number of that kind. Arguments of other annotations are left alone.

    Raises:
        ConfigError: when called: an argument is of another type, not finite, or has more than 64
            bits; names the function and the argument.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        given = bound(function.__name__, signature, args, kwargs)
        return function(*given.args, **given.kwargs)

    return call


def bound(
    function: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """What a function is called with, checked by its signature; see `checked`."""
    given = _bound(function, signature, args, kwargs)
    for name, value in given.arguments.items():
        check = _check_of(signature.parameters[name].annotation)
        if check is not None:
            given.arguments[name] = check(f"{function}: {name}", value)
    return given


def _bound(
    function: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """What a function is called with. Raises TypeError as Python does; names a near argument."""
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        said = str(error)
    takes = signature.parameters
    if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values()):
        unknown = next((name for name in kwargs if name not in takes), None)
        if unknown is not None:
            near = did_you_mean(unknown, takes)
            said = f"got an unexpected keyword argument {unknown!r}{near}"
    raise TypeError(f"{function}: {said}")


_Check = Callable[[str, Any], Any]


def _check_of(annotation: Any) -> _Check | None:
    if isinstance(annotation, types.UnionType):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
        check = _check_of(kinds[0]) if len(kinds) == 1 else None
        return None if check is None else functools.partial(_optional, check)
    protocol = getattr(annotation, "_is_protocol", False)
    if typing.get_origin(annotation) is Callable or (protocol and "__call__" in vars(annotation)):
        return _callable
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return functools.partial(_member_of, annotation)
    return _CHECKS.get(annotation) if isinstance(annotation, type) else None


def _optional(check: _Check, where: str, value: Any) -> Any:
    return None if value is None else check(where, value)


def path_of(where: str, value: Any) -> Path:
    """A path from a path or from text.

    Args:
        where: what an error calls the argument.
        value: what was given.

    Raises:
        ConfigError: it names no path.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise ConfigError(f"{where} wants a path, got {_what(value)}")
    path = Path(text)
    try:
        longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    except UnicodeEncodeError:  # half a character
        raise ConfigError(f"{where} wants a path, got {text[:80]!r}") from None
    if not text or "\0" in text:
        raise ConfigError(f"{where} wants a path, got {text[:80]!r}")
    if longest > _MOST_NAME_BYTES:
        raise ConfigError(
            f"{where} wants names of at most {_MOST_NAME_BYTES} bytes, got {longest} of them"
        )
    return path


def _float(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigError(f"{where} wants a number, got {_what(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError(f"{where} wants a finite number, got {number}")
    return number


def _int(where: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"{where} wants an integer, got {_what(value)}")
    if abs(int(value)) > _MOST_INT:
        raise ConfigError(f"{where} wants an integer of at most 64 bits")
    return int(value)


def _bool(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where} wants True or False, got {_what(value)}")
    return value


def _callable(where: str, value: Any) -> Any:
    if not callable(value):
        raise ConfigError(f"{where} wants a function, got {_what(value)}")
    return value


def _str(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{where} wants text, got {_what(value)}")
    return value


def member_of(where: str, value: object, kind: type[_Member]) -> _Member:
    """The member of an enum of texts that has this value.

    Args:
        where: what an error calls the argument.
        value: what was given, a member or its value.
        kind: the enum.

    Raises:
        ConfigError: there is none.
    """
    options = {str(member.value): member for member in kind}
    if isinstance(value, kind):
        return value
    if isinstance(value, str) and value in options:
        return options[value]
    near = did_you_mean(value, options) if isinstance(value, str) else ""
    raise ConfigError(f"{where} wants one of {', '.join(options)}, got {_what(value)}{near}")


def _member_of(kind: type[enum.Enum], where: str, value: Any) -> enum.Enum:
    return member_of(where, value, kind)


def did_you_mean(got: str, options: Iterable[str]) -> str:
    """ " (did you mean X?)" where an option is near to what was given, else nothing."""
    near = difflib.get_close_matches(got[:_MOST_SHOWN], options, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


_CHECKS: dict[type, _Check] = {Path: path_of, float: _float, int: _int, bool: _bool, str: _str}


def _what(value: Any) -> str:
    """What was given: short values themselves, others by their type."""
    plain = value is None or isinstance(value, bool | int | float | str | bytes)
    return repr(value)[:_MOST_SHOWN] if plain else f"a {type(value).__name__}"
