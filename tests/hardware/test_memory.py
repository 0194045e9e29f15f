"""Memories as files, and what becomes of files that somebody edited."""

from pathlib import Path

import numpy as np
import pytest

from bnnedge.errors import DesignError
from bnnedge.hardware.kernels.memory import Memory, bits_of


def memory(*, lane_files: bool = False, pieces: tuple[int, ...] = ()) -> Memory:
    """Three words of two lanes, of elements of 5 bits."""
    numbers = np.array([[1, 31], [0, 2], [16, 7]])
    bits = bits_of(numbers, 5)
    return Memory(name="mem/0_table", bits=bits, lane_files=lane_files, pieces=pieces)


def write(one: Memory, folder: Path) -> None:
    (folder / "mem").mkdir()
    for name, text in one.texts.items():
        (folder / name).write_text(text)


def test_lanes_share_a_word_or_have_a_file_each() -> None:
    # Lane 1 above lane 0: 31·32 + 1, 2·32 + 0, 7·32 + 16.
    assert memory().texts == {"mem/0_table.mem": "3e1\n040\n0f0\n"}
    assert memory(lane_files=True).texts == {
        "mem/0_table_000.mem": "01\n00\n10\n",
        "mem/0_table_001.mem": "1f\n02\n07\n",
    }


def test_pieces_have_a_file_each() -> None:
    assert memory(pieces=(2, 1)).texts == {
        "mem/0_table_0_000.mem": "3e1\n040\n",
        "mem/0_table_1_000.mem": "0f0\n",
    }


def test_deep_pieces_are_sliced_into_bytes() -> None:
    words = np.arange(4096 + 2)
    table = Memory(name="t", bits=bits_of(words, 10)[:, None], pieces=(4096, 2))
    assert table.files == ("t_0_000.mem", "t_0_001.mem", "t_1_000.mem")
    low, high, rest = table.texts.values()
    assert low.split() == [f"{word & 255:02x}" for word in range(4096)]
    assert high.split() == [f"{word >> 8 & 3:x}" for word in range(4096)]
    assert rest == "000\n001\n"


@pytest.mark.parametrize(("lane_files", "pieces"), [(False, ()), (True, ()), (False, (2, 1))])
def test_edited_words_take_the_place_of_what_a_kernel_says(
    lane_files: bool, pieces: tuple[int, ...], tmp_path: Path
) -> None:
    own = memory(lane_files=lane_files, pieces=pieces)
    write(own, tmp_path)
    assert own.as_in(tmp_path) is own
    path = tmp_path / own.files[-1]
    path.write_text(path.read_text().upper().replace("7", "3").replace("F0", "f1"))
    got = own.as_in(tmp_path)
    assert got.texts == {name: (tmp_path / name).read_text().lower() for name in own.files}
    assert got.bits.shape == own.bits.shape


@pytest.mark.parametrize(
    "text", ["", "weights\n", "3e1\n040\n", "3e1\n040\n400\n", "3e1\n040\n-1\n"]
)
def test_files_of_something_else_are_refused(text: str, tmp_path: Path) -> None:
    write(memory(), tmp_path)
    (tmp_path / "mem" / "0_table.mem").write_text(text)
    with pytest.raises(DesignError) as caught:
        memory().as_in(tmp_path)
    assert str(caught.value) == (
        "0_table.mem: wanted hexadecimal words, 3 of 10 bits — run bnnedge rtl again"
    )
