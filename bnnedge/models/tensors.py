"""Reading a state dictionary that `torch.save` wrote, and nothing else.

The file is a zip archive: `data.pkl` says which tensors there are, `data/<key>` holds the numbers
of each storage. `torch.load` lets a file name types, storages of any size, and archives that
unpack to anything; it does not look at the archive's checksums either. Here the pickle is followed
by the few steps that a dictionary of dense tensors takes, and sizes are compared first.
"""

import math
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bnnedge.arrays import ZIP_DAMAGE
from bnnedge.errors import CheckpointError
from bnnedge.filekinds import CHECKPOINT, PICKLE, refuse_other_file

_MOST_PICKLE_BYTES = 1 << 20  # of some 5,000 tensors
_MOST_ENTRIES = 20_000
_DTYPES = {
    "torch FloatStorage": "<f4",
    "torch DoubleStorage": "<f8",
    "torch HalfStorage": "<f2",
    "torch LongStorage": "<i8",
    "torch IntStorage": "<i4",
    "torch ShortStorage": "<i2",
    "torch CharStorage": "|i1",
    "torch ByteStorage": "|u1",
    "torch BoolStorage": "|b1",
}
_DICTIONARY = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"


@dataclass(frozen=True, kw_only=True)
class _Global:
    """Something that the pickle names, as "module name"."""

    name: str


@dataclass(frozen=True, kw_only=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """A view of a storage; offset and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _ForeignError(ValueError):
    """The pickle does what no state dictionary of dense tensors needs."""


def read_tensors(path: Path, *, most_bytes: int) -> dict[str, torch.Tensor]:
    """The tensors of a state dictionary, by name.

    Args:
        path: written by `torch.save`.
        most_bytes: that all tensors together may take.

    Raises:
        CheckpointError: the file is missing, damaged, too large, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, path.stat().st_size, most_bytes)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", remedy="train again") from None
    except _ForeignError as error:
        refuse_other_file(path, CheckpointError, CHECKPOINT, PICKLE)
        raise CheckpointError(
            f"{path} is damaged or holds more than weights ({error})",
            remedy="train again; only files of plain tensors are read",
        ) from error
    except ZIP_DAMAGE as error:
        refuse_other_file(path, CheckpointError, CHECKPOINT, PICKLE)
        raise CheckpointError(
            f"{path} is damaged or holds more than weights ({str(error)[:200]})",
            remedy="train again",
        ) from error


def _read(archive: zipfile.ZipFile, file_bytes: int, most_bytes: int) -> dict[str, torch.Tensor]:
    entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
    packed = [entry for entry in entries.values() if entry.compress_type != zipfile.ZIP_STORED]
    total = sum(entry.file_size for entry in archive.infolist())
    if packed or len(entries) > _MOST_ENTRIES or total > file_bytes:
        raise _ForeignError("torch.save does not pack")
    if total > most_bytes + _MOST_PICKLE_BYTES:
        raise _ForeignError(f"{total >> 20} MiB are more than the network takes")
    pickle = entries.get("data.pkl")
    if pickle is None or pickle.file_size > _MOST_PICKLE_BYTES:
        raise _ForeignError("wanted a small data.pkl")
    order = entries.get("byteorder")
    if order is not None and archive.read(order) != b"little":
        raise _ForeignError("its numbers are not little endian")
    state = _follow(archive.read(pickle))
    if not isinstance(state, dict) or not all(isinstance(t, _Tensor) for t in state.values()):
        raise _ForeignError("wanted a dictionary of tensors")
    storages: dict[str, np.ndarray[Any, Any]] = {}
    tensors = {}
    for name, tensor in state.items():
        storage = tensor.storage
        if storage.key not in storages:
            entry = entries.get(f"data/{storage.key}")
            if entry is None or entry.file_size != storage.count * storage.dtype.itemsize:
                raise _ForeignError(f"tensor {name[:80]!r} has no numbers, or too many")
            storages[storage.key] = np.frombuffer(archive.read(entry), storage.dtype)
        tensors[name] = _view(storages[storage.key], tensor, name)
    return tensors


def _view(numbers: np.ndarray[Any, Any], tensor: _Tensor, name: str) -> torch.Tensor:
    """A copy of the tensor's elements, once it is sure that they are in its storage."""
    count = math.prod(tensor.shape)
    last = sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    sizes = (tensor.offset, *tensor.shape, *tensor.strides)
    inside = count == 0 or tensor.offset + last < len(numbers)
    if min(sizes) < 0 or max(sizes) > 1 << 40 or count > len(numbers) or not inside:
        raise _ForeignError(f"tensor {name[:80]!r} reaches beyond its numbers")
    item = numbers.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :], tensor.shape, [stride * item for stride in tensor.strides]
    )
    return torch.from_numpy(np.array(view, order="C"))


def _follow(pickle: bytes) -> Any:
    """What a pickle stands for, if it takes only the steps of a state dictionary."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            value: Any = argument
            match opcode.name:
                case "PROTO":
                    pass
                case "GLOBAL":
                    stack.append(_Global(name=value))
                case "MARK":
                    marks.append(len(stack))
                case "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1":
                    stack.append(value)
                case "NEWTRUE" | "NEWFALSE":
                    stack.append(opcode.name == "NEWTRUE")
                case "EMPTY_TUPLE":
                    stack.append(())
                case "TUPLE1" | "TUPLE2" | "TUPLE3":
                    count = int(opcode.name[-1])
                    stack[-count:] = [tuple(stack[-count:])]
                case "TUPLE":
                    stack.append(tuple(since_mark()))
                case "EMPTY_DICT":
                    stack.append({})
                case "SETITEM":
                    key, item = stack.pop(-2), stack.pop()
                    _set(stack[-1], key, item)
                case "SETITEMS":
                    items = since_mark()
                    for key, item in zip(items[::2], items[1::2], strict=True):
                        _set(stack[-1], key, item)
                case "BINPUT" | "LONG_BINPUT":
                    memo[value] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[value])
                case "BINPERSID":
                    stack.append(_storage(stack.pop()))
                case "REDUCE":
                    arguments = stack.pop()
                    stack.append(_made(stack.pop(), arguments))
                case "BUILD":
                    stack.pop()  # the versions of the modules
                case "STOP" if len(stack) == 1:
                    return stack[0]
                case _:
                    raise _ForeignError(f"step {opcode.name}")
    except (IndexError, KeyError) as error:
        raise _ForeignError("its steps do not fit together") from error
    raise _ForeignError("it does not end")


def _set(table: Any, key: Any, item: Any) -> None:
    if type(table) is not dict or type(key) is not str:
        raise _ForeignError("wanted names of tensors")
    table[key] = item


def _storage(record: Any) -> _Storage:
    match record:
        case ("storage", _Global(name=kind), str(key), str(), int(count)) if kind in _DTYPES:
            return _Storage(key=key, dtype=np.dtype(_DTYPES[kind]), count=count)
    raise _ForeignError("unknown numbers")


def _made(function: Any, arguments: Any) -> Any:
    match function, arguments:
        case _Global(name=name), () if name == _DICTIONARY:
            return {}
        case (
            _Global(name=name),
            (_Storage() as storage, int(offset), tuple() as shape, tuple() as strides, *_),
        ) if name == _TENSOR and len(shape) == len(strides) <= 8:
            if all(type(size) is int for size in (*shape, *strides)):
                return _Tensor(storage=storage, offset=offset, shape=shape, strides=strides)
    name = function.name if isinstance(function, _Global) else type(function).__name__
    raise _ForeignError(f"it asks for {name[:80]}")
