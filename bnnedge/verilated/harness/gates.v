`verilator_config
// The handshakes of the internal streams, for the harness to hold up.
forceable -module "*" -var "stream_valid"
forceable -module "*" -var "stream_ready"
`verilog
