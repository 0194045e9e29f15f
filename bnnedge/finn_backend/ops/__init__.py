"""Nodes on bnnedge's kernels; importing them registers them with FINN."""

from bnnedge.finn_backend.ops import padding as padding
from bnnedge.finn_backend.ops import streams as streams
from bnnedge.finn_backend.ops import xnor_mvu as xnor_mvu
from bnnedge.finn_backend.ops import xnor_mvu_hls as xnor_mvu_hls
