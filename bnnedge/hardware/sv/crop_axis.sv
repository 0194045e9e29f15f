// Where on one axis a crop is: keep_o from position Skip on, last_o at position Size − 1.
module crop_axis #(
  parameter int unsigned Size = 4,
  parameter int unsigned Skip = 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic step_i,
  output logic keep_o,
  output logic last_o
);
  localparam int unsigned BITS = Size > 1 ? $clog2(Size) : 1;

  logic [BITS-1:0] position_q;
  assign last_o = position_q == BITS'(Size - 1);
  if (Skip == 0) begin : gen_keep_all
    assign keep_o = 1'b1;
  end else begin : gen_skip
    assign keep_o = position_q >= BITS'(Skip);
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) position_q <= '0;
    else if (step_i) position_q <= last_o ? '0 : position_q + 1'b1;
  end
endmodule
