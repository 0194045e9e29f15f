// One stream into two: every word goes to both outputs, each takes it when it likes.
//
// Function    The input is taken in the cycle in which the second of the two takes its word; the one
//             that was first is not offered it again. Wider forks are trees of these.
// Throughput  one word per cycle, a word both outputs take at once. Latency: none.
// Back-press. in_ready_o follows out0_ready_i and out1_ready_i within the cycle (never in_valid_i);
//             an output's valid and data follow the input's, and no output's ready.
// Form        Two flip-flops say who has the word already; data are wires. A register for the word
//             would cost Width flip-flops and leave the path of ready, one LUT4, as it is.
// Cost        any Width, ECP5: 6 LUT4, 2 FF.
module stream_fork #(
  parameter int unsigned Width = 8
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out0_valid_o,
  input  logic             out0_ready_i,
  output logic [Width-1:0] out0_data_o,
  output logic             out1_valid_o,
  input  logic             out1_ready_i,
  output logic [Width-1:0] out1_data_o
);
  logic done0_q, done1_q, taken0, taken1;

  assign out0_valid_o = in_valid_i & ~done0_q;
  assign out1_valid_o = in_valid_i & ~done1_q;
  assign out0_data_o  = in_data_i;
  assign out1_data_o  = in_data_i;

  assign taken0     = done0_q | out0_ready_i;
  assign taken1     = done1_q | out1_ready_i;
  assign in_ready_o = taken0 & taken1;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      done0_q <= 1'b0;
      done1_q <= 1'b0;
    end else if (in_valid_i) begin
      done0_q <= taken0 & ~taken1;
      done1_q <= taken1 & ~taken0;
    end
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Width), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(Width)
  ) i_out0_contract (
    .clk_i, .rst_ni, .valid_i(out0_valid_o), .ready_i(out0_ready_i), .data_i(out0_data_o)
  );
  stream_contract #(
    .Width(Width)
  ) i_out1_contract (
    .clk_i, .rst_ni, .valid_i(out1_valid_o), .ready_i(out1_ready_i), .data_i(out1_data_o)
  );
`endif
endmodule
