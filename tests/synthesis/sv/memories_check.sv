// `memories` beside its ECP5 netlist: what they read must be the same, clock by clock.
//
module memories_check (
  input  logic clk_i,
  input  logic rx_i,
  output logic tx_o
);
  logic [35:0] expected, netlist;
  memories #(.Registered(`REGISTERED)) i_memories (.clk_i, .hash_o(expected));
  memories_netlist i_netlist (.clk_i, .hash_o(netlist));
  assign tx_o = rx_i | ^expected;
  always_ff @(posedge clk_i) begin
    assert (expected == netlist) else $error("memories: netlist differs");
  end
endmodule
