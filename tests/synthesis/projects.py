"""Projects for Vivado around a small network."""

from pathlib import Path

from bnnedge.boards import find_board, known_boards
from bnnedge.design import Design
from bnnedge.families.xilinx import ZynqBoard
from bnnedge.hardware import RtlConfig, emit
from bnnedge.synthesis.vivado import write_project
from tests.networks import random_mlp

ZYNQ = [board for board in known_boards().values() if isinstance(board, ZynqBoard)]


def zynq(name: str) -> ZynqBoard:
    """The board of this name."""
    board = find_board(name)
    assert isinstance(board, ZynqBoard)
    return board


def emit_mlp(folder: Path) -> Path:
    """The RTL of a small network, called "random"."""
    (folder / "dataflow").mkdir()
    random_mlp((48, 16, 10)).save(folder / "dataflow")
    return emit(folder / "dataflow", RtlConfig(target_fps=1e6), folder / "rtl").folder


def project(rtl: Path, board: ZynqBoard, folder: Path) -> Path:
    """Write a project at the board's default clock."""
    design = Design.load(rtl)
    clock_hz = board.family.clock_hz(board, None)
    write_project(design, board, rtl, clock_hz=clock_hz, folder=folder)
    return folder


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Replace text in a file that has it."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
