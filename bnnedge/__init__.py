"""Binarised networks, from PyTorch to bit-exact streaming XNOR-popcount accelerators."""

__version__ = "0.1.0"
