"""The engine in C: compiled once per user, and what this processor runs of it."""

import ctypes
import enum
import functools
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge import tools
from bnnedge.cache import build_once, digest
from bnnedge.emulator.packed import pack_words
from bnnedge.errors import ToolFailedError

_SOURCES = Path(__file__).parent / "c"
_FLAGS = (
    "-x",
    "c",
    "-std=gnu11",
    "-O3",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fPIC",
    "-shared",
    "-w",
)
_TIMEOUT_S = 600.0


class Instructions(enum.StrEnum):
    """The instruction set that an emulator uses."""

    AVX512 = "avx512"
    AVX2 = "avx2"
    POPCNT = "popcnt"
    NEON = "neon"
    PORTABLE = "portable"
    NUMPY = "numpy"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How the engine lays data out for an instruction set, as `engine.c` has it.

    Attributes:
        name: what the engine calls it.
        unit_bits: channels of a unit.
        lanes: images of a block.
        least: images from which on it is quicker than the variant before it.
        triples: every third word of a row is the parity of itself and the two before it.
        row_block: rows whose weights lie together.
        limit_bits: of a signed integer that a count of mismatches is compared with.
    """

    name: str
    unit_bits: int = 64
    lanes: int = 4
    least: int = 1
    triples: bool = False
    row_block: int = 8
    limit_bits: int = 64

    @property
    def sliced(self) -> bool:
        """Whether a vector holds one channel of all images, not several channels of some."""
        return self.unit_bits == 1

    def units(self, channels: int) -> int:
        """Units of so many channels."""
        return -(-channels // self.unit_bits)

    def pack(self, bits: NDArray[Any]) -> NDArray[Any]:
        """Constant units (…, units(C)) of bits (…, C); a slice's is all 0 or all 1."""
        return -bits.astype(np.uint64) if self.sliced else pack_words(bits, self.unit_bits)


_POPCNT = Variant(name="popcnt", lanes=1)

VARIANTS = {
    Instructions.AVX512: (
        Variant(name="avx512_one", lanes=1),
        Variant(name="avx512", lanes=8, least=4, triples=True),
        Variant(name="avx512_sliced", unit_bits=1, lanes=512, least=288),
    ),
    Instructions.AVX2: (
        _POPCNT,
        Variant(name="avx2", unit_bits=8, lanes=64, least=16, row_block=4, limit_bits=16),
        Variant(name="avx2_sliced", unit_bits=1, lanes=256, least=144),
    ),
    Instructions.POPCNT: (_POPCNT,),
    Instructions.NEON: (Variant(name="neon"),),
    Instructions.PORTABLE: (Variant(name="portable"),),
}
"""By instruction set, the variants that it uses, for batches of more and more images."""


class Op(ctypes.Structure):
    """`op` in engine.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("kind", "src0", "src1", "dst", "pixels", "taps")),
        *((name, ctypes.c_int64) for name in ("width", "out_width", "groups", "rows", "depth")),
        *((name, ctypes.c_int64) for name in ("fill", "low", "element_stride", "lane_stride")),
        *((name, ctypes.c_void_p) for name in ("windows", "classes", "weights", "thresholds")),
        *((name, ctypes.c_void_p) for name in ("corrections", "flips", "parts", "masks")),
        *((name, ctypes.c_void_p) for name in ("fills", "map")),
        ("map_length", ctypes.c_int64),
    ]


class Plan(ctypes.Structure):
    """`plan` in engine.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("elements", "features", "identity", "bits")),
        *((name, ctypes.c_void_p) for name in ("source", "thresholds", "flips")),
        ("units", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("steps", "table")),
        *((name, ctypes.c_int64) for name in ("rows", "count", "smallest", "integral", "dst")),
        *((name, ctypes.c_int64) for name in ("element_stride", "lane_stride", "result")),
        *((name, ctypes.c_int64) for name in ("classes", "low", "step", "columns")),
        ("scores", ctypes.c_void_p),
        ("temporary", ctypes.c_int64),
        ("count_ops", ctypes.c_int64),
        ("ops", ctypes.c_void_p),
    ]


@functools.cache
def load() -> ctypes.CDLL:
    """The engine, compiled if this user has not compiled it on such a processor before.

    Raises:
        ToolMissingError: there is no compiler.
        ToolFailedError: it does not compile or load.
        BnnEdgeError: the cache cannot be written.
    """
    sources = sorted(_SOURCES.iterdir())
    cache = tools.cache_dir() / "emulator"
    key = digest(platform.machine(), list(_FLAGS), tools.version("g++"), sources)

    def build(folder: Path, done: Path, log: Path) -> None:
        argv: list[str | Path] = [tools.find("g++"), *_FLAGS, _SOURCES / "engine.c"]
        argv += ["-o", done / "engine.so"]
        tools.run(argv, cwd=folder, log=log, timeout_s=_TIMEOUT_S)

    library = build_once(cache, key, build) / "engine.so"
    try:
        engine = ctypes.CDLL(str(library))
    except OSError as error:
        raise ToolFailedError(
            f"cannot load the compiled emulator: {error}", remedy=f"delete {library.parent}"
        ) from error
    engine.bnnedge_variants.restype = ctypes.c_char_p
    return engine


@functools.cache
def supported() -> tuple[Instructions, ...]:
    """What this processor runs of the compiled engine, the fastest first; raises as `load`."""
    names: bytes = load().bnnedge_variants()
    return tuple(Instructions(name) for name in names.decode().split())
