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

  logic [POS_BITS-1:0]    position_q, position_d;
  logic [TAP_BITS-1:0]    tap_q, tap_d;
  logic [WINDOW_BITS-1:0] window_q, window_d;  // Windows: behind the last one
  logic                   inside_q, last_q, next_q, end_q;

  always_comb begin
    position_d = position_q + 1'b1;
    tap_d      = next_q ? '0 : tap_q + 1'b1;
    window_d   = window_q + WINDOW_BITS'(next_q && window_q != WINDOW_BITS'(Windows));
    if (!rst_ni || end_q) begin
      position_d = '0;
      tap_d      = TAP_BITS'(Pad);
      window_d   = '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || step_i) begin
      position_q <= position_d;
      tap_q      <= tap_d;
      window_q   <= window_d;
      inside_q   <= 32'(tap_d) < Kernel && window_d != WINDOW_BITS'(Windows);
      last_q     <= tap_d == TAP_BITS'(Kernel - 1) || position_d == POS_BITS'(Size - 1);
      next_q     <= tap_d == TAP_BITS'(Stride - 1);
      end_q      <= position_d == POS_BITS'(Size - 1);
    end
  end

  assign first_o  = tap_q == '0 || position_q == '0;
  assign last_o   = last_q;
  assign inside_o = inside_q;
  assign next_o   = next_q;
  assign end_o    = end_q;
endmodule
