// Answers every address with a word of a memory file.
module masked #(
  parameter MaskFile = "mask.mem"
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       in_valid_i,
  output logic       in_ready_o,
  input  logic [1:0] in_data_i,
  output logic       out_valid_o,
  input  logic       out_ready_i,
  output logic [7:0] out_data_o
);
  logic [7:0] masks [4];
  initial $readmemh(MaskFile, masks);

  assign in_ready_o = !out_valid_o || out_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (in_ready_o) out_valid_o <= in_valid_i;
    if (in_ready_o) out_data_o <= masks[in_data_i];
  end
endmodule
