`verilator_config
// Yosys' cell models describe delays in `specify` blocks, which a cycle simulator has no use for,
// and start their memories with non-blocking assignments.
lint_off -rule SPECIFYIGN
lint_off -rule INITIALDLY
