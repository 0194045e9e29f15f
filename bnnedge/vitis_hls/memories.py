"""Memory files of an RTL folder as constants in C++."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnedge.errors import DesignError

_CELL_BITS = 64
_LINE_CELLS = 8


@dataclass(frozen=True, kw_only=True)
class Rom:
    """A `bnnedge::rom`.

    Attributes:
        name: of the constant.
        bits: of an element.
        lanes: for every lane the elements of its words.
    """

    name: str
    bits: int
    lanes: tuple[tuple[int, ...], ...]

    @property
    def type_name(self) -> str:
        """Its type in C++."""
        return f"bnnedge::rom<{len(self.lanes)}, {self.bits}, {len(self.lanes[0])}>"

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """For every lane the lines of its initialiser."""
        return tuple(self._lines(lane) for lane in self.lanes)

    def _lines(self, lane: Sequence[int]) -> tuple[str, ...]:
        mask = (1 << _CELL_BITS) - 1
        cells = [
            f"{element >> low & mask:#x}"
            for element in lane
            for low in range(0, self.bits, _CELL_BITS)
        ]
        return tuple(
            ", ".join(cells[start : start + _LINE_CELLS])
            for start in range(0, len(cells), _LINE_CELLS)
        )


def read_words(path: Path) -> tuple[int, ...]:
    """The words of a memory file.

    Raises:
        DesignError: it holds something else, or nothing.
    """
    try:
        words = tuple(int(word, 16) for word in path.read_text(encoding="utf-8").split())
    except ValueError:
        words = ()
    if not words:
        raise DesignError(f"{path.name}: wanted hexadecimal words", remedy="run bnnedge rtl again")
    return words


def rom_of_words(path: Path, *, lanes: int, bits: int) -> Rom:
    """A memory whose words hold an element for each of `lanes`, lane 0 in the low bits."""
    words, mask = read_words(path), (1 << bits) - 1
    return Rom(
        name=_name(path),
        bits=bits,
        lanes=tuple(tuple(word >> lane * bits & mask for word in words) for lane in range(lanes)),
    )


def rom_of_indices(path: Path) -> Rom:
    """A memory of small numbers, as wide as the largest."""
    words = read_words(path)
    return Rom(name=_name(path), bits=max(1, max(words).bit_length()), lanes=(words,))


def rom_of_files(paths: Sequence[Path], *, bits: int) -> Rom:
    """A memory with a file for every lane."""
    return Rom(name=_name(paths[0]), bits=bits, lanes=tuple(read_words(path) for path in paths))


def _name(path: Path) -> str:
    return f"rom_{path.stem}"
