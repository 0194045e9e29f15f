"""Values as JSON, and what records of before do not have."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LATER = "later"


def later() -> Any:
    """A field that records of before do not have: where it is None, new ones leave it out, too."""
    return dataclasses.field(default=None, metadata={_LATER: True})


def to_json(value: Any) -> Any:
    """`value` as JSON types: dataclasses, paths, enums and NumPy's values are unwrapped."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not (field.metadata.get(_LATER) and getattr(value, field.name) is None)
        }
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    unwrapped = getattr(value, "tolist", None)
    return getattr(value, "value", value) if unwrapped is None else unwrapped()
