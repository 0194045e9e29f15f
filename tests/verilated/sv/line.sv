// Stages `passthrough`s in a row with their streams in view; stage Gate takes no word after 0xFF.
module line #(
  parameter int unsigned Stages = 2,
  parameter int unsigned Gate   = 1
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       in_valid_i,
  output logic       in_ready_o,
  input  logic [7:0] in_data_i,
  output logic       out_valid_o,
  input  logic       out_ready_i,
  output logic [7:0] out_data_o
);
  logic [Stages:0] stream_valid  /* verilator public_flat_rd */;
  logic [Stages:0] stream_ready  /* verilator public_flat_rd */;
  logic [7:0] data[Stages+1];
  logic closed_q;

  for (genvar s = 0; s < Stages; s++) begin : gen_stage
    logic open, ready;
    assign open = s != Gate || !closed_q;
    assign stream_ready[s] = ready && open;
    passthrough #(.Width(8)) i_stage (
      .clk_i, .rst_ni,
      .in_valid_i(stream_valid[s] && open), .in_ready_o(ready), .in_data_i(data[s]),
      .out_valid_o(stream_valid[s+1]), .out_ready_i(stream_ready[s+1]), .out_data_o(data[s+1])
    );
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) closed_q <= 1'b0;
    else if (stream_valid[Gate] && stream_ready[Gate] && data[Gate] == 8'hff) closed_q <= 1'b1;
  end

  assign stream_valid[0] = in_valid_i;
  assign in_ready_o = stream_ready[0];
  assign data[0] = in_data_i;
  assign stream_ready[Stages] = out_ready_i;
  assign out_valid_o = stream_valid[Stages];
  assign out_data_o = data[Stages];
endmodule
