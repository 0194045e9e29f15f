"""Xilinx UltraScale+, beside the processing system of a Zynq UltraScale+. See `families.xilinx`."""

from bnnedge.families.xilinx import ProcessingSystem, XilinxFamily


class Xcup(XilinxFamily):
    """See the module."""

    name = "xcup"
    title = "UltraScale+"
    ps = ProcessingSystem.PSU
