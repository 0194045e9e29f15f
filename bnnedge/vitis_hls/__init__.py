"""From an RTL folder to its twin in Vitis HLS C++: the same kernels, streams and memories."""

from bnnedge.vitis_hls.config import HlsConfig
from bnnedge.vitis_hls.csim import CModel
from bnnedge.vitis_hls.emit import emit

__all__ = ["CModel", "HlsConfig", "emit"]
