"""FIFO depths for an RTL folder, found by simulating it."""

from bnnedge.sizing.stage import has_joins, size

__all__ = ["has_joins", "size"]
