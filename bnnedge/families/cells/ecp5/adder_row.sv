// Adders side by side in one ECP5 carry chain, each with a carry-in: combinational.
//
// Function    Adder i: sum = a + (b ^ c) + (carry_a ^ carry_b), d = 1; as a Leaf, of one bit:
//             sum = (a ^ b) + (c ^ d) + (carry_a ^ carry_b); as the Root ~(carry_a ^ carry_b).
// Bit order   Adder i's operands from bit i·Bits, its sum from i·(Bits + 1).
// Form        A half of a CCU2C is a LUT4 whose output P passes the carry on, or else replaces it
//             by what the LUT4 gives for A and B at C = D = 0; S = P ^ carry. Before each adder is a
//             half with P = 0: it gives out the last adder's carry and starts the next one's. So
//             n adders are one chain of n·(Bits + 1) + 1 halves. The first CIN is not looked at.
module adder_row #(
  parameter int unsigned Adders = 1,
  parameter int unsigned Bits   = 1,
  parameter bit          Leaf   = 1'b0,
  parameter bit          Root   = 1'b0
) (
  input  logic [Adders*Bits-1:0]     a_i,
  input  logic [Adders*Bits-1:0]     b_i,
  input  logic [Adders*Bits-1:0]     c_i,
  input  logic [Adders*Bits-1:0]     d_i,
  input  logic [Adders-1:0]          carry_a_i,
  input  logic [Adders-1:0]          carry_b_i,
  output logic [Adders*(Bits+1)-1:0] sum_o
);
  localparam int unsigned HALVES = Adders * (Bits + 1) + 1;
  localparam int unsigned CELLS  = (HALVES + 1) / 2;
  localparam bit [15:0]   SUM    = Leaf ? 16'h6996 : 16'h96AA;
  localparam bit [15:0]   START  = Root ? 16'h0009 : 16'h0006;  // C = D = 1

  logic [2*CELLS-1:0] a, b, c, d, s;
  logic [CELLS:0]     carry;

  for (genvar h = 0; h < 2*CELLS; h++) begin : gen_half
    localparam int unsigned N = h / (Bits + 1);
    if (N >= Adders) begin : gen_end
      assign {a[h], b[h], c[h], d[h]} = 4'b0011;
    end else if (h % (Bits + 1) == 0) begin : gen_start
      assign {a[h], b[h], c[h], d[h]} = {carry_a_i[N], carry_b_i[N], 2'b11};
    end else begin : gen_sum
      assign {a[h], b[h], c[h], d[h]} = {a_i[h-N-1], b_i[h-N-1], c_i[h-N-1], d_i[h-N-1]};
    end
  end

  assign carry[0] = 1'b0;
  for (genvar k = 0; k < CELLS; k++) begin : gen_cell
    CCU2C #(
      .INIT0    (2 * k >= HALVES || 2 * k % (Bits + 1) == 0 ? START : SUM),
      .INIT1    (2 * k + 1 >= HALVES || (2 * k + 1) % (Bits + 1) == 0 ? START : SUM),
      .INJECT1_0("NO"),
      .INJECT1_1("NO")
    ) i_cell (
      .CIN (carry[k]),
      .A0  (a[2*k]),
      .B0  (b[2*k]),
      .C0  (c[2*k]),
      .D0  (d[2*k]),
      .A1  (a[2*k+1]),
      .B1  (b[2*k+1]),
      .C1  (c[2*k+1]),
      .D1  (d[2*k+1]),
      .S0  (s[2*k]),
      .S1  (s[2*k+1]),
      .COUT(carry[k+1])
    );
  end
  assign sum_o = s[HALVES-1:1];
endmodule
