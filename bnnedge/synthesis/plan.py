"""Planning a bitstream: device, PLL, and every file that the tools begin with, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bnnedge.boards import link_of
from bnnedge.design import Design
from bnnedge.errors import SynthesisError, named
from bnnedge.families import Board
from bnnedge.families.placed import FpgaBoard, Pll
from bnnedge.links import Device
from bnnedge.options import options_of
from bnnedge.readback.readers import unread
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.top import BOARD_TOP, board_top

SCRIPT = "synth.ys"
_OF_PLACED_BOARDS = {
    "baud": "has no serial line",
    "window": "has no serial line",
    "store": "has no serial line",
    "seed": "is placed by Vivado",
    "gate_level_images": "has no netlist that is placed here",
    "read_back": "has no bitstream that is made here",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes a bitstream; nothing has run yet.

    Attributes:
        design: the network.
        board: what it is for.
        device: around the network.
        pll: its clock.
        sources: files of the device, to be copied beside those of the design.
        texts: what is written, by file: the top module, constraints, Yosys' script.
        bitstream: file that comes of it.
    """

    design: Design
    board: FpgaBoard
    device: Device
    pll: Pll
    sources: tuple[Path, ...]
    texts: Mapping[str, str]
    bitstream: str


def plan_device(design: Design, board: Board, config: SynthesisConfig) -> Device:
    """The device for `design` on `board`.

    Raises:
        SynthesisError: the clock is out of range, or the link does not run at it; or an image or a
            result is longer than the link carries; or stored images do not fit; or see
            `require_effect`.
    """
    require_effect(board, config)
    link = link_of(board)
    link.require_frame("an image", design.input_beats * design.input_width_bits // 8)
    link.require_frame("a result", design.output_beats * design.output_width_bits // 8)
    device = link.plan(
        board,
        clock_hz=board.family.clock_hz(board, config.clock_mhz),
        id_word=design.id_word,
        baud=config.baud,
        window=config.window,
    )
    if config.store is None:
        return device
    assert isinstance(board, FpgaBoard)
    device = device.with_store(config.store)
    _require_room(design, board, device, config.store)
    return device


def _require_room(design: Design, board: FpgaBoard, device: Device, images: int) -> None:
    """Raise where stored images are thought to find no room; nothing is known of some families."""
    there = board.family.block_rams(board)
    network, around = board.family.predict(design), predict_around(design, board, device)
    if there is None or network["bram"] + around["bram"] <= there:
        return
    raise SynthesisError(
        f"{named('store')}: {images:,} images of {design.name} are thought to take"
        f" {around['bram']:,} block RAMs beside the {network['bram']:,} of the network,"
        f" {board.name} has {there}",
        remedy="take fewer images, or a larger board",
    )


def predict_around(design: Design, board: FpgaBoard, device: Device) -> Mapping[str, int]:
    """What the device around a network is thought to take."""
    return board.family.predict_around(
        device.buffer_words(design),
        design.input_width_bits,
        in_blocks=device.in_blocks(design),
        results=(device.stored_results(design), design.output_width_bits),
    )


def plan_bitstream(design: Design, board: FpgaBoard, config: SynthesisConfig) -> Plan:
    """Everything that the bitstream of `design` for `board` is made of.

    Raises:
        SynthesisError: see `plan_device`.
    """
    family = board.family
    device = plan_device(design, board, config)
    pll = family.pll_of(board, config.clock_mhz)
    sources = device.sources(design)
    top = f"{BOARD_TOP}.sv"
    names = [*design.sources, *(source.name for source in sources), top]
    return Plan(
        design=design,
        board=board,
        device=device,
        pll=pll,
        sources=sources,
        texts={
            top: board_top(board, pll, device, design),
            family.constraints: family.constraints_text(board),
            SCRIPT: family.script(names, BOARD_TOP),
        },
        bitstream=f"{design.name}{family.bitstream_suffix}",
    )


def require_effect(board: Board, config: SynthesisConfig) -> None:
    """Raise where an option is not as it is by default, and a board has no use for it.

    Raises:
        SynthesisError: names the first such option.
    """
    if isinstance(board, FpgaBoard):
        reason = unread(board)
        if config.read_back and reason:
            raise SynthesisError(f"read_back: {board.name}: {reason}", remedy="leave it out")
        return
    quiet = {"gate_level_images": 0, "read_back": False}  # ask for nothing
    for declared in options_of(SynthesisConfig):
        why, value = _OF_PLACED_BOARDS.get(declared.name), getattr(config, declared.name)
        if why is not None and value not in (declared.default, quiet.get(declared.name)):
            raise SynthesisError(
                f"{declared.name}: {board.name} {why}, got {value}", remedy="leave it out"
            )


def require_clock(board: Board, clock_mhz: float) -> None:
    """Raise unless a board has that clock, or one near to it.

    Raises:
        SynthesisError: it is out of the range of the board's PLL or of its link.
    """
    hertz = board.family.clock_hz(board, clock_mhz)
    link_of(board).plan(board, clock_hz=hertz, id_word=0, baud=None, window=2)
