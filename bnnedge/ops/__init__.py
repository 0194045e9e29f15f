"""Binarised building blocks in PyTorch: quantisers, layers, normalisations, input encodings.

One file per kind of block; everything here needs torch and Brevitas, so import the submodules.
"""
