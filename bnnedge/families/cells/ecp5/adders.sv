// `adders` as ECP5 carry cells: it takes the portable module's place in synthesis for ECP5.
//
// Form        A half of a CCU2C is a LUT4 whose output P passes the carry on, or else replaces it
//             by what the LUT4 gives for A and B at C = D = 0; S = P ^ carry.
module adders #(
  parameter int unsigned      Bits   = 4,
  parameter bit [16*Bits-1:0] Tables = '0
) (
  input  logic [4*Bits-1:0] x_i,
  output logic [Bits-1:0]   sum_o
);
  localparam int unsigned CELLS = (Bits + 1) / 2;
  localparam bit [32*CELLS-1:0] TABLES = (32 * CELLS)'(Tables);

  logic [8*CELLS-1:0] x;
  logic [2*CELLS-1:0] sum;
  logic [CELLS:0]     carry;
  if (2 * CELLS > Bits) begin : gen_pad
    assign x = {4'b1111, x_i};
  end else begin : gen_full
    assign x = x_i;
  end

  assign carry[0] = 1'b0;
  for (genvar k = 0; k < CELLS; k++) begin : gen_cell
    CCU2C #(
      .INIT0    (TABLES[32*k+:16]),
      .INIT1    (TABLES[32*k+16+:16]),
      .INJECT1_0("NO"),
      .INJECT1_1("NO")
    ) i_cell (
      .CIN (carry[k]),
      .A0  (x[8*k]),
      .B0  (x[8*k+1]),
      .C0  (x[8*k+2]),
      .D0  (x[8*k+3]),
      .A1  (x[8*k+4]),
      .B1  (x[8*k+5]),
      .C1  (x[8*k+6]),
      .D1  (x[8*k+7]),
      .S0  (sum[2*k]),
      .S1  (sum[2*k+1]),
      .COUT(carry[k+1])
    );
  end
  assign sum_o = sum[Bits-1:0];
endmodule
