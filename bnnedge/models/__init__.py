"""Networks, and the checkpoints that hold them. Import `mlp` and `checkpoint` for torch code."""

from bnnedge.models.config import NetworkConfig, Topology

__all__ = ["NetworkConfig", "Topology"]
