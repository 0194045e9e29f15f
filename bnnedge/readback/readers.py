"""Reading a bitstream back, by family: file in, netlist out, and compared with what was placed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnedge.families import FAMILIES, Board
from bnnedge.families.placed import FpgaBoard
from bnnedge.readback.ecp5 import read_netlist
from bnnedge.readback.equivalence import require_equivalent
from bnnedge.readback.expected import placed_netlist
from bnnedge.readback.fabric import Fabric
from bnnedge.readback.netlist import Netlist
from bnnedge.readback.routes import compare_routes
from bnnedge.readback.structure import Comparison
from bnnedge.readback.trellis import Device
from bnnedge.readback.unpack import empty_configuration, unpack

TRUSTED = (
    "ecpunpack",
    "the tile database of Project Trellis",
    "what nextpnr sets for an empty design",
)
"""What the comparison takes as it is."""


@dataclass(frozen=True, kw_only=True)
class ReadBack:
    """A bitstream that was read back.

    Attributes:
        netlist: what it is.
        fabric: its wires.
    """

    netlist: Netlist
    fabric: Fabric

    def compare(
        self, synthesised: Mapping[str, Any], routed: Mapping[str, Any]
    ) -> Mapping[str, int]:
        """Compare it with the netlist that was placed, and its wires with those that were routed.

        Args:
            synthesised: the netlist that Yosys wrote (JSON).
            routed: nextpnr's JSON.

        Returns:
            How many of each class of things were compared.

        Raises:
            MismatchError: names the first difference.
            SynthesisError: the netlist has something that is not known here.
        """
        counts = Comparison(self.netlist, placed_netlist(synthesised, routed)).run()
        return {**counts, **compare_routes(self.fabric, routed)}

    def require_equivalent(self, synthesised: Mapping[str, Any]) -> Mapping[str, int]:
        """Compare it with a netlist (Yosys' JSON) that may be placed elsewhere.

        Returns:
            How many of each class of things were compared.

        Raises:
            MismatchError: names a cell that has no equal, or a pin.
            SynthesisError: the netlist has something that is not known here.
        """
        return require_equivalent(self.netlist, placed_netlist(synthesised, None).netlist)


def unread(board: Board) -> str | None:
    """Why bitstreams for a board cannot be read back; None: they can."""
    family = board.family
    if family.read_with:
        return None
    read = ", ".join(each.title for each in FAMILIES.values() if each.read_with)
    return f"there is a reader for bitstreams of {read}, and none for those of {family.title}"


def read_back(bitstream: Path, board: FpgaBoard, work: Path, logs: Path) -> ReadBack:
    """Read the bitstream of a board.

    Args:
        bitstream: the file.
        board: whose pins it has; of a family that is read back, see `unread`.
        work: an empty folder for what the tools write.
        logs: folder for their logs.

    Raises:
        SynthesisError: it is none, or has something that is not understood.
        MismatchError: it is for another device.
        ToolMissingError, ToolFailedError: of ecpunpack and nextpnr.
    """
    configuration = unpack(bitstream, work, logs / "ecpunpack.log")
    base = empty_configuration(board, work, logs / "nextpnr-empty.log")
    netlist, fabric = read_netlist(configuration, base, board, Device(board.device))
    return ReadBack(netlist=netlist, fabric=fabric)
