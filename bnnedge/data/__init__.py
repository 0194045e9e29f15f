"""Data sets and input encodings, as plain numpy arrays."""

from typing import TYPE_CHECKING

from bnnedge.lazy import lazily

if TYPE_CHECKING:
    from bnnedge.data.config import DataConfig as DataConfig
    from bnnedge.data.config import DatasetName as DatasetName
    from bnnedge.data.config import EncodingKind as EncodingKind
    from bnnedge.data.datasets import Dataset as Dataset
    from bnnedge.data.datasets import Split as Split
    from bnnedge.data.datasets import load_data as load_data
    from bnnedge.data.datasets import load_dataset as load_dataset
    from bnnedge.data.datasets import split_validation as split_validation
    from bnnedge.data.encodings import Encoding as Encoding
    from bnnedge.data.encodings import FeatureThermometer as FeatureThermometer
    from bnnedge.data.encodings import IntegerEncoding as IntegerEncoding
    from bnnedge.data.encodings import OneBitThreshold as OneBitThreshold
    from bnnedge.data.encodings import QuantileThermometer as QuantileThermometer
    from bnnedge.data.encodings import ThresholdsEncoding as ThresholdsEncoding
    from bnnedge.data.encodings import fit_encoding as fit_encoding
    from bnnedge.data.save import save_arrays as save_arrays

__getattr__, __dir__, __all__ = lazily(
    __name__,
    {
        "config": (
            "DataConfig",
            "DatasetName",
            "EncodingKind",
        ),
        "datasets": (
            "Dataset",
            "Split",
            "load_data",
            "load_dataset",
            "split_validation",
        ),
        "encodings": (
            "Encoding",
            "IntegerEncoding",
            "OneBitThreshold",
            "FeatureThermometer",
            "QuantileThermometer",
            "ThresholdsEncoding",
            "fit_encoding",
        ),
        "save": ("save_arrays",),
    },
)
