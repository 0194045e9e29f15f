"""FPGA families, one a file: all that differs from one to another is there."""

from collections.abc import Mapping

from bnnedge.families.base import Board, Family
from bnnedge.families.ecp5 import Ecp5
from bnnedge.families.xc7 import Xc7
from bnnedge.families.xcup import Xcup

FAMILIES: Mapping[str, Family] = {family.name: family for family in (Ecp5(), Xc7(), Xcup())}
"""Every family by its name in the files of boards."""

__all__ = ["FAMILIES", "Board", "Family"]
