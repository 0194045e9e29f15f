"""Data sets and input encodings, as plain numpy arrays."""

from bnnedge.data.config import DataConfig, DatasetName, EncodingKind

__all__ = ["DataConfig", "DatasetName", "EncodingKind"]
