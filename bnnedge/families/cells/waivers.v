`verilator_config
// Yosys' cell models start their memories with non-blocking assignments.
lint_off -rule INITIALDLY
