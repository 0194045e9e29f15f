// Marks the last of every Beats beats of a stream (AXI4-Stream's tlast); it only listens.
module stream_last #(
  parameter int unsigned Beats = 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic valid_i,
  input  logic ready_i,
  output logic last_o
);
  if (Beats == 1) begin : gen_always
    logic unused;
    assign unused = &{clk_i, rst_ni, valid_i, ready_i};
    assign last_o = 1'b1;
  end else begin : gen_count
    localparam int unsigned BEAT_BITS = $clog2(Beats);
    logic [BEAT_BITS-1:0] beat_q;
    assign last_o = beat_q == BEAT_BITS'(Beats - 1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) beat_q <= '0;
      else if (valid_i && ready_i) beat_q <= last_o ? '0 : beat_q + 1'b1;
    end
  end
endmodule
