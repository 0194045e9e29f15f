"""FPGA families, one a file: all that differs from one to another is there."""

from collections.abc import Mapping

from bnnedge.families.base import Board, Family
from bnnedge.families.ecp5 import Ecp5
from bnnedge.families.ice40 import Ice40
from bnnedge.families.placed import PlacedFamily
from bnnedge.families.xc7 import Xc7
from bnnedge.families.xcup import Xcup

REFERENCE = Ecp5()
"""The family whose cells hardware is priced in before a board is named."""
FAMILIES: Mapping[str, Family] = {
    family.name: family for family in (REFERENCE, Ice40(), Xc7(), Xcup())
}
"""Every family by its name in the files of boards."""
BITSTREAM_SUFFIXES = frozenset(
    family.bitstream_suffix for family in FAMILIES.values() if isinstance(family, PlacedFamily)
)
"""Of the files that the open tools make."""

__all__ = ["BITSTREAM_SUFFIXES", "FAMILIES", "REFERENCE", "Board", "Family"]
