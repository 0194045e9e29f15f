// Where on one axis a pool is: positions 0 ... Size − 1, in Windows windows of Kernel positions that
// begin Stride apart, the first one Pad before position 0.
//
// first_o and last_o: the first and the last position of a window that is not padding; inside_o: in a
// window at all; next_o: the next position belongs to the next window; end_o: the last position.
module pool_axis #(
  parameter int unsigned Size    = 4,
  parameter int unsigned Kernel  = 2,
  parameter int unsigned Stride  = 2,
  parameter int unsigned Pad     = 0,
  parameter int unsigned Windows = 2
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic step_i,
  output logic first_o,
  output logic last_o,
  output logic inside_o,
  output logic next_o,
  output logic end_o
);
  localparam int unsigned POS_BITS    = Size > 1 ? $clog2(Size) : 1;
  localparam int unsigned TAP_BITS    = Stride > 1 ? $clog2(Stride) : 1;
  localparam int unsigned WINDOW_BITS = $clog2(Windows + 1);

  logic [POS_BITS-1:0]    position_q;
  logic [TAP_BITS-1:0]    tap_q;
  logic [WINDOW_BITS-1:0] window_q;  // Windows: behind the last one
  logic                   behind;

  assign end_o    = position_q == POS_BITS'(Size - 1);
  assign next_o   = tap_q == TAP_BITS'(Stride - 1);
  assign first_o  = tap_q == '0 || position_q == '0;
  assign last_o   = tap_q == TAP_BITS'(Kernel - 1) || end_o;
  assign inside_o = 32'(tap_q) < Kernel && !behind;
  assign behind   = window_q == WINDOW_BITS'(Windows);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (step_i && end_o)) begin
      position_q <= '0;
      tap_q      <= TAP_BITS'(Pad);
      window_q   <= '0;
    end else if (step_i) begin
      position_q <= position_q + 1'b1;
      tap_q      <= next_o ? '0 : tap_q + 1'b1;
      if (next_o && !behind) window_q <= window_q + 1'b1;
    end
  end
endmodule
