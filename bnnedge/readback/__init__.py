"""Read back: a bitstream becomes a netlist again, and is compared with what it was made of."""
