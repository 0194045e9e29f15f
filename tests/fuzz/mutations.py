"""Damage to files: seeded, by bytes and by what the bytes mean."""

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import onnx
from google.protobuf.message import DecodeError

Mutation = Callable[[random.Random, bytes], bytes]

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 7, 255, 65537, -(1 << 31), 1 << 31, 1 << 62, 1 << 63),
    *(1 << 64, 10**400, 0.5, -0.0, 1e-308, 1e308, float("inf"), float("-inf"), float("nan")),
    *("", "x", "0", "a" * 5000, "\0", "../x", "/etc/passwd", "a\nb", '"; $(x)', "é", "\ud800"),
    *([], {}, [[]], [0] * 300, {"a": {"a": []}}, [None]),
)
_DTYPES = ("<i4", "|u1", "|b1", "<f4", "<f8", "<i8", ">i4", "<c8", "|O", "|V3", "<U4", "<f2", "|S1")


def flip_bits(rng: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if damaged:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def overwrite(rng: random.Random, content: bytes) -> bytes:
    start, count = _slice(rng, content, 24)
    fill = rng.choice((bytes(count), b"\xff" * count, rng.randbytes(count), b"9" * count))
    return content[:start] + fill + content[start + count :]


def truncate(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.choice((0, 1, len(content) // 2, max(0, len(content) - 1)))]


def cut_anywhere(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def remove(rng: random.Random, content: bytes) -> bytes:
    start, count = _slice(rng, content, 64)
    return content[:start] + content[start + count :]


def duplicate(rng: random.Random, content: bytes) -> bytes:
    start, count = _slice(rng, content, 256)
    return (
        content[:start]
        + content[start : start + count] * rng.choice((2, 3, 50))
        + content[start + count :]
    )


def swap(rng: random.Random, content: bytes) -> bytes:
    first, second = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[second:] + content[first:second] + content[:first]


def extend(rng: random.Random, content: bytes) -> bytes:
    return content + rng.choice((b"\0", b"\n", bytes(1 << 16), content, rng.randbytes(100)))


def replace_all(rng: random.Random, content: bytes) -> bytes:
    del content
    return rng.choice(
        (
            *(
                b"",
                b"\0" * 4096,
                b"[" * 100_000,
                b'{"a":' * 50_000,
                b"{}",
                b"[]",
                b"null",
                b"1e999",
            ),
            *(b"PK\5\6" + bytes(18), b"\x80\4N.", b"\x93NUMPY", b"\x1f\x8b", b"\xef\xbb\xbf{}"),
            *(b"a" * (1 << 20), b"\xff" * 1000, b"version https://git-lfs.github.com/spec/v1\n"),
        )
    )


BYTES: tuple[Mutation, ...] = (
    *(flip_bits, overwrite, truncate, cut_anywhere, remove, duplicate, swap, extend, replace_all),
)


def change_json(rng: random.Random, content: bytes) -> bytes:
    """Other values, types, keys and depths in places chosen at random."""
    value = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        places = list(_places(value))
        if not places:
            break
        holder, key = rng.choice(places)
        match rng.randrange(8):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.insert(key, holder[key])
            case 1:
                holder[rng.choice(("", "x", key + "_", "a" * 300))] = holder[key]
            case 2:
                holder[key] = [holder[key]]
            case 3:
                other, at = rng.choice(places)
                holder[key] = copy.deepcopy(other[at])
            case 4 if isinstance(holder[key], int | float):
                holder[key] = rng.choice(
                    (holder[key] + 1, holder[key] - 1, -holder[key], holder[key] * 1000, 1.0)
                )
            case 5:
                nested: Any = holder[key]
                for _ in range(rng.choice((3, 60, 500))):
                    nested = rng.choice(([nested], {"a": nested}))
                holder[key] = nested
            case _:
                holder[key] = rng.choice(_VALUES)
    return json.dumps(value, indent=rng.choice((None, 1))).encode("utf-8", "replace")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(value, dict | list):
        return
    for key in list(value.keys() if isinstance(value, dict) else range(len(value))):
        yield value, key
        yield from _places(value[key])


def change_toml(rng: random.Random, content: bytes) -> bytes:
    """Other values, lines that are gone, doubled or moved, keys that nobody knows."""
    lines = content.decode().splitlines()
    assigned = [i for i, line in enumerate(lines) if "=" in line]
    for _ in range(rng.choice((1, 1, 2))):
        index = rng.choice(assigned)
        key = lines[index].partition("=")[0]
        match rng.randrange(6):
            case 0:
                lines[index] = ""
            case 1:
                lines.insert(index, lines[index])
            case 2:
                lines[index] = f"{key.strip()}x = 1"
            case 3:
                lines.insert(index, rng.choice(("[a.b.c]", "[[training]]", "[network]", "x")))
            case _:
                value = rng.choice(
                    (
                        *("-1", "0", "1", "1e308", "1e-308", "nan", "inf", "-inf", "true", '""'),
                        *("99999999999999999999", "9223372036854775807", "[]", "{}", '"a\\nb"'),
                        *("[" * 500 + "]" * 500, '"' + "a" * 5000 + '"', "1979-05-27", "'../x'"),
                        *("[1, 2, 3]", "{ a = 1 }", "0x7fffffff", "1.5", '"mlp"', "2", "1000000"),
                    )
                )
                lines[index] = f"{key}= {value}"
    return "\n".join(lines).encode()


def change_npy(rng: random.Random, content: bytes) -> bytes:
    """Another header over the same data, or other data."""
    if rng.random() < 0.4 or content[:6] != b"\x93NUMPY":
        return rng.choice(BYTES)(rng, content)
    start = 10 + struct.unpack("<H", content[8:10])[0]
    shape = rng.choice(
        (
            *("()", "(0,)", "(3,)", "(-1,)", "(1, 1)", f"({1 << 40},)", f"({10**30},)"),
            *("((1,),)", "(" * 200, "(1.5,)", f"({', '.join('1' * 70)})", "[3]"),
            *("(0, 99999999999)", "(2, 3, 4)"),
        )
    )
    text = f"{{'descr': '{rng.choice(_DTYPES)}', 'fortran_order': {rng.choice((True, False))},"
    header = f"{text} 'shape': {shape}, }}".encode() + b"\n"
    data = content[start:]
    if rng.random() < 0.3:
        data = rng.choice(BYTES)(rng, data)
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def change_zip(rng: random.Random, content: bytes, *, member: Mutation, kind: int) -> bytes:
    """One member is damaged, gone, doubled, renamed or new, and every checksum is right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    index = rng.randrange(len(members))
    name, data = members[index]
    match rng.randrange(8):
        case 0:
            del members[index]
        case 1:
            members.append((name, data))
        case 2:
            members[index] = (rng.choice(("x.npy", name[:-1], "../" + name, "", "é")), data)
        case 3:
            members.append(("bomb.npy", bytes(1 << 24)))
        case _:
            members[index] = (name, member(rng, data))
    packed = rng.choice((kind, kind, kind, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", packed) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, packed)
    return sink.getvalue()


def change_npz(rng: random.Random, content: bytes) -> bytes:
    return change_zip(rng, content, member=change_npy, kind=zipfile.ZIP_DEFLATED)


def change_checkpoint(rng: random.Random, content: bytes) -> bytes:
    return change_zip(rng, content, member=rng.choice(BYTES), kind=zipfile.ZIP_STORED)


def change_text(rng: random.Random, content: bytes) -> bytes:
    """Another number, word or line in a text."""
    lines = content.split(b"\n")
    index = rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[index]
        case 1:
            lines.insert(index, lines[index])
        case 2:
            other = rng.randrange(len(lines))
            lines[index], lines[other] = lines[other], lines[index]
        case _:
            line = bytearray(lines[index])
            if line:
                line[rng.randrange(len(line))] = rng.choice(b"0123456789abcdef xz;\"'$")
            lines[index] = bytes(line)
    return b"\n".join(lines)


def change_onnx(rng: random.Random, content: bytes) -> bytes:
    """Fields of a model set, cleared, doubled and moved, all over its messages."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ValueError("no model") from error
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change_message(rng, model)
    return bytes(model.SerializeToString())


def _change_message(rng: random.Random, message: Any) -> None:
    """Walk down to a field chosen at random, and change it."""
    while True:
        fields = [field for field, _ in message.ListFields()]
        if not fields or rng.random() < 0.05:
            fields = [f for f in message.DESCRIPTOR.fields if f.message_type is None]
        if not fields:
            return
        field = rng.choice(fields)
        value = getattr(message, field.name)
        if field.label == field.LABEL_REPEATED:
            if not value:
                return
            index = rng.randrange(len(value))
            if field.message_type is not None and rng.random() < 0.85:
                message = value[index]
                continue
            _change_repeated(rng, field, value, index)
            return
        if field.message_type is not None:
            if rng.random() < 0.05:
                message.ClearField(field.name)
                return
            message = value
            continue
        if rng.random() < 0.2:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, _scalar(rng, field, value))
        return


def _change_repeated(rng: random.Random, field: Any, value: Any, index: int) -> None:
    if field.message_type is not None:
        match rng.randrange(3):
            case 0:
                del value[index]
            case 1:
                value.append(value[index])
            case _:
                value[index].CopyFrom(value[rng.randrange(len(value))])
        return
    match rng.randrange(4):
        case 0:
            del value[index]
        case 1:
            value.append(value[rng.randrange(len(value))])
        case 2 if len(value) > 1:
            value[index] = value[rng.randrange(len(value))]
        case _:
            value[index] = _scalar(rng, field, value[index])


def _scalar(rng: random.Random, field: Any, value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return rng.choice((0.0, -1.0, 1e30, -1e-30, float("nan"), float("inf")))
    if isinstance(value, int):
        if field.enum_type is not None:
            return rng.choice(field.enum_type.values).number
        small = field.cpp_type == field.CPPTYPE_INT32
        return rng.choice(
            (0, -1, 1, 2, 3, 7, 1 << 20, (1 << 31) - 1, *(() if small else (1 << 62,)))
        )
    if isinstance(value, bytes):
        return rng.choice(BYTES[:7])(rng, value)
    return rng.choice(
        ("", "x", "t0", "c0", "Conv", "Add", "Sign", "MatMul", "a" * 3000, "\0", value)
    )


def _slice(rng: random.Random, content: bytes, most: int) -> tuple[int, int]:
    start = rng.randrange(len(content) + 1)
    return start, min(rng.randrange(1, most), len(content) - start)
