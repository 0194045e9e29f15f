`verilator_config
// The data of the internal streams, for the harness to record.
public_flat_rd -module "*" -var "data_*"
`verilog
