"""SystemVerilog as a library to call: compiled by Verilator and driven in C++.

`verilator` makes and caches shared libraries, `stream` drives a module with one input and one
output stream, `serial` one behind a serial line, `axi` one behind registers and a DMA.
"""
