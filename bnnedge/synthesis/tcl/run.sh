#!/bin/sh
# Makes output/*.bit and output/*.hwh. Vivado must be on PATH (source its settings64.sh).
# --check stops after some minutes, with everything checked that can be before synthesis.
case "$#$1" in
0 | 1--check) ;;
*) echo "usage: run.sh [--check]" >&2 && exit 2 ;;
esac
command -v vivado >/dev/null || {
    echo "run.sh: vivado is not on PATH: source the settings64.sh of its installation" >&2
    exit 1
}
cd "$(dirname "$0")" && exec vivado -mode batch -notrace -nojournal -log vivado.log \
    -source build.tcl ${1:+-tclargs "$1"}
