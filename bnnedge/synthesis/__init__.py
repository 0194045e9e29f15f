"""The synthesis stage: RTL folder to bitstream, checked at gate level, or to an estimate."""

from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.flow import synthesise
from bnnedge.synthesis.gatelevel import check_netlist
from bnnedge.synthesis.verify import verify_bits

__all__ = ["SynthesisConfig", "check_netlist", "synthesise", "verify_bits"]
