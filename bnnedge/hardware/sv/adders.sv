// Adders side by side in one carry chain: combinational.
//
// Function    sum_o = (a_i ^ InvertA) + (b_i ^ InvertB) modulo 2**Bits.
// Form        Several adders share the chain: where one begins, both operands hold its carry-in, so
//             the bit of the sum there is the carry-out of the adder below. Complements of operands
//             cost nothing, because a carry cell begins with a lookup table.
module adders #(
  parameter int unsigned   Bits    = 4,
  parameter bit [Bits-1:0] InvertA = '0,
  parameter bit [Bits-1:0] InvertB = '0
) (
  input  logic [Bits-1:0] a_i,
  input  logic [Bits-1:0] b_i,
  output logic [Bits-1:0] sum_o
);
  assign sum_o = (a_i ^ InvertA) + (b_i ^ InvertB);
endmodule
