"""Values of a recipe that are given beside its file, e.g. `--set training.epochs=5`."""

import json
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from bnnedge.errors import ConfigError
from bnnedge.names import shown

_MOST_CHARACTERS = 4096  # tomllib's time grows with the square of a line's length


def parse_changes(given: Iterable[str]) -> dict[str, Any]:
    """Values by their keys of texts such as "training.epochs=5"; what is no TOML value is text.

    Raises:
        ConfigError: one is no assignment.
    """
    changes = dict[str, Any]()
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or len(text) > _MOST_CHARACTERS or not all(_parts(key)):
            raise ConfigError(f"set: wanted KEY=VALUE, e.g. training.epochs=5, got {shown(text)}")
        changes[key.strip()] = _value(value.strip())
    return changes


def words(changes: Mapping[str, Any] | None) -> list[str]:
    """The changes as the command line takes them."""
    return [
        word
        for key, value in (changes or {}).items()
        for word in ("--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
    ]


def _parts(key: str) -> list[str]:
    return [part.strip() for part in key.split(".")]


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if table.keys() == {"value"} else text


def changed(record: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's table with other values.

    Args:
        record: what its file holds; it stays as it is.
        changes: values by their keys, with a dot between a section and a key in it.

    Raises:
        ConfigError: something inside of what is no section is to be set.
    """
    made = dict(record)
    for key, value in changes.items():
        *sections, last = _parts(key)
        table = made
        for section in sections:
            inner = table.get(section, {})
            if not isinstance(inner, Mapping):
                raise ConfigError(f"{key}: {section} is no section of the recipe")
            table[section] = dict(inner)
            table = table[section]
        table[last] = value
    return made
