"""Pickles of numbers, text and numpy's arrays, read without running anything or trusting a size.

Arrays become `PickledArray`: numpy itself unpickles what it is told, sizes and all. Python's own
unpickler is the one in Python: the one in C believes the sizes in a file, and takes their memory.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any

_MOST_STEPS = 2**18  # a batch has some 50,000; as Python 3 writes protocol 2, 100,000
_STEPS = (
    *("PROTO", "FRAME", "MARK", "STOP", "POP", "NONE", "NEWTRUE", "NEWFALSE"),
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("EMPTY_LIST", "APPEND", "APPENDS", "LIST", "EMPTY_DICT", "SETITEM", "SETITEMS", "DICT"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
)
"""What pickles of numbers and text are made of."""


class PickledType:
    """A `numpy.dtype` in a pickle: its code."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment, which the code says already or which do not matter."""


class PickledArray:
    """A `numpy.ndarray` in a pickle, as it says of itself; nothing of it is checked.

    Attributes:
        shape: of the array.
        dtype: code of its type.
        fortran: the first axis varies fastest.
        data: its bytes.
    """

    shape: object = ()
    dtype: object = None
    fortran: object = False
    data: object = b""

    def __setstate__(self, state: tuple[Any, Any, Any, Any, Any]) -> None:
        """What numpy pickles."""
        _, self.shape, kind, self.fortran, self.data = state
        self.dtype = kind.code if isinstance(kind, PickledType) else None


def read_numbers(content: bytes) -> Any:
    """What a pickle holds: numbers, text, lists, tuples, dictionaries and `PickledArray`.

    Raises:
        Exception: of any kind; the pickle is damaged, or asks for more than that.
    """
    return _Numbers(io.BytesIO(content), encoding="bytes").load()


def _reconstruct(kind: object, *_: object) -> PickledArray:
    if kind is not PickledArray:
        raise pickle.UnpicklingError("it holds an array of an unknown class")
    return PickledArray()


def _encode(text: str, encoding: str) -> bytes:
    """Bytes, as Python 3 writes them in old protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes as {str(encoding)[:20]}")
    return text.encode(encoding)


def _counted(step: Callable[[Any], None]) -> Callable[[Any], None]:
    def counted(self: "_Numbers") -> None:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise pickle.UnpicklingError("it holds more than images and labels")
        step(self)

    return counted


class _Numbers(pickle._Unpickler):
    steps = 0
    dispatch = {  # noqa: RUF012
        code[0]: _counted(pickle._Unpickler.dispatch[code[0]])
        for code in (getattr(pickle, name) for name in _STEPS)
    }

    def find_class(self, module: str, name: str) -> Any:
        """The few that arrays are made of."""
        match (module, name):
            case ("numpy", "ndarray"):
                return PickledArray
            case ("numpy", "dtype"):
                return PickledType
            case ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct"):
                return _reconstruct
            case ("_codecs", "encode"):
                return _encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no number")
