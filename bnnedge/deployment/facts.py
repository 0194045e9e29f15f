"""What packing, and running what was packed, found."""

from dataclasses import dataclass

from bnnedge.findings import Check, NotRun, Verdict, equal
from bnnedge.links.store import Measured
from bnnedge.records import later
from bnnedge.stages import Stage

BOARD_CHECK = Check(
    left="simulated board",
    right="board",
    compared="results of the driver",
    verdict=Verdict.NOT_RUN,
    reason="no board was connected",
)
NO_BOARD = NotRun(
    step="The board itself",
    reason="no board was connected; its device was simulated instead",
)
_SIDES = ("Dataflow", "simulated board")

_ROOMS = ("deployment", "hardware/sv")


@dataclass(frozen=True, kw_only=True)
class PackageFacts:
    """A package.

    Attributes:
        board: its name.
        bitstream: its file, or where it is still missing.
        id_word: that the device answers with, in hexadecimal digits.
        example_images: packed with their results.
        bytes: of all files.
        baud: of a serial line.
    """

    board: str
    bitstream: str
    id_word: str
    example_images: int
    bytes: int
    baud: int | None = None


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What a deployment found; it raises instead where anything differs.

    Attributes:
        network: the packaged network's name.
        device: "simulated", or the port's name.
        id_word: that the device showed.
        images: example images run, all equal to the expected results.
        resent: images sent again because a frame was late or damaged; None without a serial line.
        wall_s: seconds on this machine, compilation included.
        clocks_per_bit: UART divisor that was used; None without a serial line.
        quiet_ms: silence after a broken frame that was used; None without a serial line.
        line_s: seconds on the device's clock for the examples (a port: on this machine's).
        images_per_s: images / line_s, as the driver sees it without USB delays.
        board_images_per_s: what the way to the device and the network allow on the board, without
            USB delays.
        cycles: simulated clock cycles, None at a port.
        measured: with the images that the device holds; None: it holds none.
    """

    network: str
    device: str
    id_word: int
    images: int
    resent: int | None = None
    wall_s: float
    clocks_per_bit: int | None = None
    quiet_ms: float | None = None
    line_s: float
    images_per_s: float
    board_images_per_s: float
    cycles: int | None
    measured: Measured | None = later()


def _checks(facts: Deployment) -> tuple[Check, ...]:
    return (equal(*_SIDES, "results of the packaged driver", images=facts.images),)


def _lines(facts: Deployment) -> list[str]:
    return [
        f"{facts.device}: {facts.images} images equal to the Dataflow,"
        f" {facts.images_per_s:,.0f} images/s on its own clock",
        *([facts.measured.line(facts.device)] if facts.measured else []),
    ]


PACKAGE = Stage(kind="package", facts=PackageFacts, rooms=_ROOMS)
DEPLOY = Stage(
    kind="deploy",
    facts=Deployment,
    rooms=_ROOMS,
    compares=_SIDES,
    checks=_checks,
    lines=_lines,
)
