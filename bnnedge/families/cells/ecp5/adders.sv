// `adders` as ECP5 carry cells: it takes the portable module's place in synthesis for ECP5.
//
// Form        A half of a CCU2C is a LUT4 whose output P passes the carry on, or else replaces it
//             by what the LUT4 gives for A and B at C = D = 0; S = P ^ carry. C and D are 1, so P is
//             the operands' XOR, and the carry becomes operand A where they are equal.
module adders #(
  parameter int unsigned   Bits    = 4,
  parameter bit [Bits-1:0] InvertA = '0,
  parameter bit [Bits-1:0] InvertB = '0
) (
  input  logic [Bits-1:0] a_i,
  input  logic [Bits-1:0] b_i,
  output logic [Bits-1:0] sum_o
);
  localparam int unsigned CELLS = (Bits + 1) / 2;
  localparam int unsigned PAD   = 2 * CELLS - Bits;
  localparam bit [2*CELLS-1:0] INVERT_A = (2 * CELLS)'(InvertA);
  localparam bit [2*CELLS-1:0] INVERT_B = (2 * CELLS)'(InvertB);

  logic [2*CELLS-1:0] a, b, sum;
  logic [CELLS:0]     carry;
  if (PAD > 0) begin : gen_pad
    assign a = {1'b1, a_i};
    assign b = {1'b1, b_i};
  end else begin : gen_full
    assign a = a_i;
    assign b = b_i;
  end

  // Bits 12 to 15 are P, bits 0 to 3 what replaces the carry, by {B, A}.
  function automatic logic [15:0] init(input logic invert_a, input logic invert_b);
    init = {{4{invert_a ^ invert_b}} ^ 4'b0110, 8'h00, {4{invert_a}} ^ 4'b1010};
  endfunction

  assign carry[0] = 1'b0;
  for (genvar k = 0; k < CELLS; k++) begin : gen_cell
    CCU2C #(
      .INIT0    (init(INVERT_A[2*k], INVERT_B[2*k])),
      .INIT1    (init(INVERT_A[2*k+1], INVERT_B[2*k+1])),
      .INJECT1_0("NO"),
      .INJECT1_1("NO")
    ) i_cell (
      .CIN (carry[k]),
      .A0  (a[2*k]),
      .B0  (b[2*k]),
      .C0  (1'b1),
      .D0  (1'b1),
      .A1  (a[2*k+1]),
      .B1  (b[2*k+1]),
      .C1  (1'b1),
      .D1  (1'b1),
      .S0  (sum[2*k]),
      .S1  (sum[2*k+1]),
      .COUT(carry[k+1])
    );
  end
  assign sum_o = sum[Bits-1:0];
endmodule
