"""JSON of any origin, read within limits and taken apart field by field."""

from __future__ import annotations

import json
import reprlib
from typing import Any

_MOST_DIGITS = 20  # of an integer: more than 64 bits have


class Record:
    """A JSON object; every method gives a field, or raises a ValueError that names it.

    Args:
        value: what stands where an object is wanted.
        name: what messages call it; empty for the outermost one.
    """

    def __init__(self, value: Any, name: str = "") -> None:
        if type(value) is not dict:
            raise _wrong(name or "the file", "an object", value)
        self._fields = value
        self._name = name

    @classmethod
    def parse(cls, data: bytes) -> Record:
        """Raises ValueError: no JSON object, or one with NaN, infinities or huge integers."""
        try:
            value = json.loads(
                data.decode("utf-8"), parse_int=_integer, parse_constant=_no_constant
            )
        except RecursionError:
            raise ValueError("nested too deeply") from None
        return cls(value)

    def record(self, key: str) -> Record:
        """An object."""
        return Record(self._field(key), self._name_of(key))

    def integer(self, key: str, low: int, high: int) -> int:
        """An integer from `low` to `high`."""
        return require_integer(self._field(key), self._name_of(key), low, high)

    def number(self, key: str, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        value = self._field(key)
        if type(value) not in (int, float) or not low <= value <= high:
            raise _wrong(self._name_of(key), f"a number from {low:g} to {high:g}", value)
        return float(value)

    def word(self, key: str) -> int:
        """32 bits, written as "0x" and eight hexadecimal digits."""
        value = self._field(key)
        text = value if type(value) is str and len(value) == 10 and value[:2] == "0x" else ""
        if not text or set(text[2:]) - set("0123456789abcdef"):
            raise _wrong(self._name_of(key), "0x and eight hexadecimal digits", value)
        return int(text, 16)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._field(key)
        if type(value) is not bool:
            raise _wrong(self._name_of(key), "true or false", value)
        return value

    def text(self, key: str) -> str:
        """1 to 255 printable characters."""
        value = self._field(key)
        if type(value) is not str or not 0 < len(value) < 256 or not value.isprintable():
            raise _wrong(self._name_of(key), "a short printable text", value)
        return value

    def items(self, key: str, least: int, most: int) -> list[Any]:
        """A list of `least` to `most` entries of any kind."""
        value = self._field(key)
        if type(value) is not list or not least <= len(value) <= most:
            raise _wrong(self._name_of(key), f"a list of {least} to {most} entries", value)
        return value

    def entries(self) -> list[tuple[str, Any]]:
        """All fields, of any kind, by name."""
        return list(self._fields.items())

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def _field(self, key: str) -> Any:
        if key not in self._fields:
            raise ValueError(f"{self._name_of(key)} is missing")
        return self._fields[key]

    def _name_of(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


def require_integer(value: Any, name: str, low: int, high: int) -> int:
    """`value` as an integer from `low` to `high`. Raises ValueError."""
    if type(value) is not int or not low <= value <= high:
        raise _wrong(name, f"an integer from {low} to {high}", value)
    return value


def _wrong(name: str, wanted: str, value: Any) -> ValueError:
    return ValueError(f"{name}: wanted {wanted}, got {reprlib.repr(value)}")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")
