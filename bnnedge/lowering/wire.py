"""How much memory a protobuf file takes once it is parsed, without parsing it.

An empty message takes two bytes of a file and hundreds of memory, so a small file can take all.
"""

from collections.abc import Mapping
from typing import Protocol

_MESSAGE_BYTES = 2048  # with what Python keeps of it
_STRING_BYTES = 256
_NUMBER_BYTES = 8


class FieldDescriptor(Protocol):
    """What protobuf says of a field."""

    message_type: "Descriptor | None"
    cpp_type: int
    CPPTYPE_STRING: int
    CPPTYPE_FLOAT: int
    CPPTYPE_DOUBLE: int


class Descriptor(Protocol):
    """What protobuf says of a message."""

    fields_by_number: Mapping[int, FieldDescriptor]


def parsed_bytes(content: memoryview, descriptor: Descriptor, *, most: int) -> int:
    """About how many bytes a parser takes for `content`; counting ends beyond `most`.

    Args:
        content: a message in protobuf's wire format.
        descriptor: of its type.
        most: where to stop.

    Raises:
        ValueError: it is truncated, or not in this format.
    """
    total = 0
    open_messages = [(content, descriptor)]
    while open_messages and total <= most:
        part, kind = open_messages.pop()
        at = 0
        while at < len(part) and total <= most:
            tag, at = _varint(part, at)
            field = kind.fields_by_number.get(tag >> 3)
            match tag & 7:
                case 0:
                    _, at = _varint(part, at)
                    total += _NUMBER_BYTES
                case 1:
                    at += 8
                    total += _NUMBER_BYTES
                case 5:
                    at += 4
                    total += _NUMBER_BYTES
                case 2:
                    length, at = _varint(part, at)
                    inner = part[at : at + length]
                    at += length
                    if field is not None and field.message_type is not None:
                        total += _MESSAGE_BYTES
                        open_messages.append((inner, field.message_type))
                    elif field is not None and field.cpp_type != field.CPPTYPE_STRING:
                        total += _packed_bytes(field, length)
                    else:
                        total += _STRING_BYTES + length
                case _:
                    raise ValueError("it is not in protobuf's format")
        if at > len(part):
            raise ValueError("it is truncated")
    return total


def _packed_bytes(field: FieldDescriptor, length: int) -> int:
    """Of numbers in a row: floats as they are, integers from a byte on each."""
    fixed = field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE)
    return length if fixed else length * _NUMBER_BYTES


def _varint(part: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(part):
            raise ValueError("it is truncated")
        byte = part[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("it is not in protobuf's format")
