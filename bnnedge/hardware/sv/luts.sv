// Lookup tables side by side: combinational.
//
// Function    y_o[i] is bit x of table i, where x is the number in x_i[i·Inputs +: Inputs]; table i
//             is Tables[i·2**Inputs +: 2**Inputs].
module luts #(
  parameter int unsigned              Count  = 1,
  parameter int unsigned              Inputs = 1,
  parameter bit [Count*2**Inputs-1:0] Tables = '0
) (
  input  logic [Count*Inputs-1:0] x_i,
  output logic [Count-1:0]        y_o
);
  for (genvar i = 0; i < Count; i++) begin : gen_lut
    localparam bit [2**Inputs-1:0] TABLE = Tables[i*2**Inputs+:2**Inputs];
    assign y_o[i] = TABLE[x_i[i*Inputs+:Inputs]];
  end
endmodule
