"""FINN's and QONNX's own passes where they go wrong, mended: one a file, which imports no other.

Each docstring says what the stock pass does; `tests/finn_backend/test_mended_passes.py` shows it.
"""
