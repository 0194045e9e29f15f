// Adders side by side in one carry chain: combinational.
//
// Function    sum_o = u + v modulo 2**Bits, where bit i of u and v are functions of the four bits x in
//             x_i[4·i +: 4]: with table i, Tables[16·i +: 16], u is its bit x & 3, and u ^ v its bit x.
// Form        What a carry cell with a lookup table of four inputs can do for nothing. Several adders
//             share the chain: where one begins, u and v are its carry-in, so the bit of the sum there
//             is the carry-out of the adder below.
module adders #(
  parameter int unsigned      Bits   = 4,
  parameter bit [16*Bits-1:0] Tables = '0
) (
  input  logic [4*Bits-1:0] x_i,
  output logic [Bits-1:0]   sum_o
);
  logic [Bits-1:0] u, v;
  for (genvar i = 0; i < Bits; i++) begin : gen_bit
    localparam bit [15:0] TABLE = Tables[16*i+:16];
    assign u[i] = TABLE[{2'b00, x_i[4*i+:2]}];
    assign v[i] = u[i] ^ TABLE[x_i[4*i+:4]];
  end
  assign sum_o = u + v;
endmodule
