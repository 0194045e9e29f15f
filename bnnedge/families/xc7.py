"""Xilinx 7 series, beside the processing system of a Zynq-7000. See `families.xilinx`."""

from bnnedge.families.xilinx import ProcessingSystem, XilinxFamily


class Xc7(XilinxFamily):
    """See the module."""

    name = "xc7"
    title = "7 series"
    ps = ProcessingSystem.PS7
