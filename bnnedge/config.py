"""Reading TOML and JSON into frozen dataclasses: unknown keys and wrong types are errors."""

import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import cattrs
import numpy as np
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
)

from bnnedge.errors import BnnEdgeError, ConfigError
from bnnedge.files import load_json, read_toml

__all__ = ["load_json", "load_toml", "structure"]

Config = TypeVar("Config")


def _exactly(value: Any, wanted: type) -> Any:
    """`value` if it has the type written in the dataclass; the only conversion is int → float."""
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise TypeError(f"wanted {wanted.__name__}, got {value!r}")
    return value


def _member(value: Any, wanted: type[Enum]) -> Enum:
    """The enum member with this value."""
    options = [member.value for member in wanted]
    if value not in options:
        raise ValueError(f"wanted one of {', '.join(map(str, options))}, got {value!r}")
    return wanted(value)


def _is_class(wanted: Any, base: type) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, base)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for primitive in (bool, int, float, str):
        converter.register_structure_hook(primitive, _exactly)
    converter.register_structure_hook(Path, lambda value, _: Path(_exactly(value, str)))
    converter.register_structure_hook_func(lambda wanted: _is_class(wanted, Enum), _member)
    converter.register_structure_hook_func(
        lambda wanted: _is_class(typing.get_origin(wanted), np.ndarray),
        lambda value, _: _exactly(value, np.ndarray),
    )
    converter.register_structure_hook_func(
        lambda wanted: isinstance(wanted, types.UnionType),
        lambda value, wanted: _structure_union(converter, value, wanted),
    )
    return converter


def _structure_union(converter: cattrs.Converter, value: Any, wanted: types.UnionType) -> Any:
    """`X | None`, or a union of plain types such as `int | str`."""
    if type(value) in wanted.__args__:
        return value
    inner, *others = (option for option in wanted.__args__ if option is not types.NoneType)
    if others:
        raise TypeError(f"wanted {' or '.join(o.__name__ for o in wanted.__args__)}, got {value!r}")
    return converter.structure(value, inner)


_CONVERTER = _converter()


def structure(record: Mapping[str, Any], wanted: type[Config], *, source: str) -> Config:
    """A dataclass from plain tables.

    Args:
        record: nested dictionaries of TOML or JSON values.
        wanted: the dataclass to make.
        source: what an error message calls the origin, e.g. the file's path.

    Raises:
        ConfigError: a key is unknown or missing, or a value has the wrong type or range; names it.
    """
    try:
        return _CONVERTER.structure(record, wanted)
    except Exception as error:
        where, why = _first_cause(error, ())
        raise ConfigError(f"{source}: {'.'.join(where) or 'top level'}: {why}") from error


def _first_cause(error: BaseException, where: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    if isinstance(error, ClassValidationError | IterableValidationError):
        within, without = error.group_exceptions()
        if within:
            cause, note = within[0]
            place = note.name if isinstance(note, AttributeValidationNote) else f"[{note.index}]"
            return _first_cause(cause, (*where, place))
        return _first_cause(without[0], where)
    if isinstance(error, ForbiddenExtraKeysError):
        return where, f"unknown key {', '.join(sorted(error.extra_fields))}"
    if isinstance(error, KeyError):
        return where, "is missing"
    if isinstance(error, TypeError) and "not iterable" in str(error):
        return where, "wanted a table"
    if isinstance(error, BnnEdgeError):
        return where, str(error)
    return where, str(error) or type(error).__name__


def load_toml(path: Path, wanted: type[Config]) -> Config:
    """A dataclass from a TOML file. Raises ConfigError, see `structure` and `read_toml`."""
    return structure(read_toml(path), wanted, source=str(path))
