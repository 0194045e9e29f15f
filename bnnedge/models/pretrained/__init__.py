"""Trained networks that come with bnnedge: bit-packed weights (`<name>.npz`), each with its model
card (`<name>.json`). Import `load_pretrained` from here; `packing` has the format.
"""

from bnnedge.models.pretrained.cards import ModelCard, available
from bnnedge.models.pretrained.load import load_pretrained

__all__ = ["ModelCard", "available", "load_pretrained"]
