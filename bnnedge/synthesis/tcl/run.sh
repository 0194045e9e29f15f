#!/bin/sh
# Makes output/*.bit and output/*.hwh. Vivado must be on PATH (source its settings64.sh).
cd "$(dirname "$0")" && exec vivado -mode batch -notrace -nojournal -log vivado.log -source build.tcl
