// `luts` as ECP5 cells: it takes the portable module's place in synthesis for ECP5.
//
// Form        A table of up to four inputs is a LUT4, which nothing takes apart again; one of more is
//             several, behind the multiplexers that a slice has for them.
module luts #(
  parameter int unsigned              Count  = 1,
  parameter int unsigned              Inputs = 1,
  parameter bit [Count*2**Inputs-1:0] Tables = '0
) (
  input  logic [Count*Inputs-1:0] x_i,
  output logic [Count-1:0]        y_o
);
  localparam int unsigned PINS  = Inputs < 4 ? Inputs : 4;
  localparam int unsigned PARTS = 2 ** (Inputs - PINS);

  for (genvar i = 0; i < Count; i++) begin : gen_lut
    logic [PARTS-1:0] part;
    logic [3:0]       x;
    assign x = {{(4 - PINS) {1'b1}}, x_i[i*Inputs+:PINS]};
    for (genvar p = 0; p < PARTS; p++) begin : gen_part
      localparam bit [2**PINS-1:0] TABLE = Tables[i*2**Inputs+p*2**PINS+:2**PINS];
      LUT4 #(
        .INIT({2 ** (4 - PINS) {TABLE}})
      ) i_lut (
        .A(x[0]),
        .B(x[1]),
        .C(x[2]),
        .D(x[3]),
        .Z(part[p])
      );
    end
    if (PARTS == 1) begin : gen_one
      assign y_o[i] = part[0];
    end else begin : gen_several
      assign y_o[i] = part[x_i[i*Inputs+PINS+:Inputs-PINS]];
    end
  end
endmodule
