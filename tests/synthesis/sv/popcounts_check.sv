// `popcounts` beside its ECP5 netlist: the sums must be the same, clock by clock, from when the
// pipelines are full. Every eighth word agrees in no position, every eighth in all of them, the
// others in about a half, a quarter, three quarters.
//
module popcounts_check (
  input  logic clk_i,
  input  logic rx_i,
  output logic tx_o
);
  logic [31:0]  clocks_q = '0;
  logic [418:0] random_q = 419'd1;
  logic [99:0]  a, b, differ;
  logic [152:0] expected, netlist;

  assign a = random_q[99:0];
  assign b = a ^ differ;
  always_comb begin
    case (random_q[418:416])
      3'd0:    differ = '0;
      3'd1:    differ = '1;
      3'd2:    differ = random_q[299:200] & {a[49:0], a[99:50]};
      3'd3:    differ = random_q[299:200] | {a[49:0], a[99:50]};
      default: differ = random_q[299:200];
    endcase
  end

  popcounts i_popcounts (
    .clk_i, .en_i(random_q[415]), .a_i(a), .b_i(b), .base_i(random_q[400:392]), .sums_o(expected)
  );
  popcounts_netlist i_netlist (
    .clk_i, .en_i(random_q[415]), .a_i(a), .b_i(b), .base_i(random_q[400:392]), .sums_o(netlist)
  );

  assign tx_o = rx_i | ^expected;
  always_ff @(posedge clk_i) begin
    clocks_q <= clocks_q + 1'b1;
    random_q <= {random_q[354:0], random_q[418:355]} ^ (random_q << 7) ^ (random_q >> 9);
    assert (clocks_q < 1000 || expected == netlist) else $error("popcounts: netlist differs");
  end
endmodule
