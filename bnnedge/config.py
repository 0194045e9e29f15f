"""Plain tables of TOML or JSON into frozen dataclasses; all that is wrong is said at once."""

import dataclasses
import math
import types
import typing
from abc import ABC
from collections.abc import Callable, Iterable, Mapping
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
from cattrs.gen import make_dict_structure_fn

from bnnedge.arguments import checked, did_you_mean
from bnnedge.errors import ConfigError
from bnnedge.files import load_json, read_toml

__all__ = ["load_json", "load_toml", "structure", "structure_parts"]

Config = TypeVar("Config")
_WRONG = (TypeError, ValueError)
"""What is raised for a single value."""
_MOST_INT = 2**63 - 1
_MOST_SHOWN = 60


def _shown(value: Any) -> str:
    """A value from a file, as an error names it."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        text = f"a {type(value).__name__} too long to print"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _exactly(value: Any, wanted: type) -> Any:
    """`value` if it has the type written in the dataclass; the only conversion is int → float."""
    if type(value) is int and wanted in (int, float) and abs(value) > _MOST_INT:
        raise TypeError(f"wanted a number of at most 64 bits, got {_shown(value)}")
    if wanted is float and type(value) is int:
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"wanted a finite number, got {value}")
    if type(value) is not wanted:
        raise TypeError(f"wanted {wanted.__name__}, got {_shown(value)}")
    return value


def _member(value: Any, wanted: type[Enum]) -> Enum:
    """The enum member with this value."""
    options = {str(member.value): member for member in wanted}
    if type(value) is not str or value not in options:
        near = did_you_mean(value, options) if type(value) is str else ""
        raise ValueError(f"wanted one of {', '.join(options)}, got {_shown(value)}{near}")
    return options[value]


def _instance(value: Any, wanted: type) -> Any:
    """An object that stands in the record already."""
    if not isinstance(value, wanted):
        raise TypeError(f"wanted a {wanted.__name__}, got {_shown(value)}")
    return value


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
        lambda wanted: _is_class(wanted, ABC) and not dataclasses.is_dataclass(wanted), _instance
    )
    converter.register_structure_hook_func(
        lambda wanted: isinstance(wanted, types.UnionType),
        lambda value, wanted: _structure_union(converter, value, wanted),
    )
    converter.register_structure_hook_func(
        lambda wanted: _is_class(typing.get_origin(wanted), tuple),
        lambda value, wanted: _structure_tuple(converter, value, wanted),
    )
    converter.register_structure_hook_factory(
        dataclasses.is_dataclass, lambda wanted: _dataclass_hook(converter, wanted)
    )
    return converter


def _structure_union(converter: cattrs.Converter, value: Any, wanted: types.UnionType) -> Any:
    """`X | None`, or a union of plain types such as `int | str`."""
    kind = type(value) if type(value) in wanted.__args__ else None
    if kind is types.NoneType:
        return None
    inner, *others = (option for option in wanted.__args__ if option is not types.NoneType)
    if others and kind is None:
        names = " or ".join(option.__name__ for option in wanted.__args__)
        raise TypeError(f"wanted {names}, got {_shown(value)}")
    return converter.structure(value, inner if kind is None else kind)


def _structure_tuple(converter: cattrs.Converter, value: Any, wanted: Any) -> tuple[Any, ...]:
    """A tuple from a list; cattrs itself would take text, too."""
    kinds = typing.get_args(wanted)
    if type(value) is not list:
        raise TypeError(f"wanted a list, got {_shown(value)}{_in_a_list(value, kinds[0])}")
    if kinds[-1] is Ellipsis:
        every: Any = types.GenericAlias(list, kinds[:1])
        return tuple(converter.structure(value, every))
    if len(value) != len(kinds):
        raise TypeError(f"wanted a list of {len(kinds)}, got {_shown(value)}")
    return tuple(converter.structure(item, kind) for item, kind in zip(value, kinds, strict=True))


def _in_a_list(value: Any, kind: Any) -> str:
    """What was probably meant by a number or a text that stands alone."""
    if kind not in (int, float) or type(value) not in (int, float, str):
        return ""
    try:
        return f" (did you mean [{kind(value)}]?)"
    except (ValueError, OverflowError):
        return ""


def _dataclass_hook(converter: cattrs.Converter, wanted: Any) -> Callable[[Any, Any], Any]:
    structure = make_dict_structure_fn(wanted, converter)

    def hook(value: Any, kind: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"wanted a table, got {_shown(value)}")
        return structure(value, kind)

    return hook


_CONVERTER = _converter()


def structure(record: Any, wanted: type[Config], *, source: str) -> Config:
    """A dataclass from plain tables.

    Args:
        record: nested dictionaries of TOML or JSON values.
        wanted: the dataclass to make.
        source: what an error message calls the origin, e.g. the file's path.

    Raises:
        ConfigError: keys are unknown or missing, or values have the wrong type or range; names
            all of them.
    """
    try:
        return _CONVERTER.structure(record, wanted)
    except (ClassValidationError, TypeError) as error:
        raise ConfigError.of(_causes(error, ()), source=source) from error


def structure_parts(
    record: Any, wanted: type[Any], within: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """The fields of a dataclass that are right, by name, and what is wrong with the others.

    Args:
        record: what `structure` takes.
        wanted: the dataclass.
        within: where `record` is in its file, e.g. "hardware".
    """
    where = (within,) if within else ()
    if not isinstance(record, Mapping):
        return {}, [_cause(where, f"wanted a table, got {_shown(record)}")]
    hints = typing.get_type_hints(wanted)
    names = {field.name: field for field in dataclasses.fields(wanted)}
    parts: dict[str, Any] = {}
    faults = [_cause(where, _unknown_key(key, names)) for key in record if key not in names]
    for name, field in names.items():
        if name in record:
            try:
                parts[name] = _CONVERTER.structure(record[name], hints[name])
            except (ClassValidationError, IterableValidationError, *_WRONG) as error:
                faults += _causes(error, (*where, name))
        elif field.default is field.default_factory is dataclasses.MISSING:
            faults.append(_cause((*where, name), "is missing"))
    return parts, faults


def _unknown_key(key: str, names: Iterable[str]) -> str:
    shown = key if key.isidentifier() and len(key) <= _MOST_SHOWN else _shown(key)
    near = did_you_mean(key, names)
    return f"unknown key {shown}{near or ', wanted one of ' + ', '.join(names)}"


def _cause(where: tuple[str, ...], why: str) -> str:
    return f"{'.'.join(where) or 'top level'}: {why}"


def _causes(error: BaseException, where: tuple[str, ...]) -> list[str]:
    """Everything that is wrong, with where it is."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        within, without = error.group_exceptions()
        found = []
        for cause, note in within:
            place = note.name if isinstance(note, AttributeValidationNote) else f"[{note.index}]"
            found += _causes(cause, (*where, place))
        for cause in without:
            found += _causes(cause, where)
        return found
    if isinstance(error, ForbiddenExtraKeysError):
        names = [field.name for field in dataclasses.fields(error.cl)]
        return [_cause(where, _unknown_key(key, names)) for key in sorted(error.extra_fields)]
    if isinstance(error, KeyError):
        return [_cause(where, "is missing")]
    if isinstance(error, ConfigError):
        return [_cause(where, fault) for fault in error.faults]
    return [_cause(where, str(error) or type(error).__name__)]


@checked
def load_toml(path: Path, wanted: type[Config]) -> Config:
    """A dataclass from a TOML file. Raises ConfigError, see `structure` and `read_toml`."""
    return structure(read_toml(path), wanted, source=str(path))
