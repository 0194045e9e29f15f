// A number times the magnitude of a constant factor, modulo 2**OutBits; logic only.
//
// Bipolar: x_i is a bit, 1 stands for +1 and 0 for −1. Else two's complement if Signed, or unsigned.
// A power of two is wires; any other factor is an adder for each further bit that is set in it.
module scale_element #(
  parameter int unsigned Bits    = 8,
  parameter bit          Signed  = 1'b1,
  parameter bit          Bipolar = 1'b0,
  parameter int          Factor  = 1,
  parameter int unsigned OutBits = 8
) (
  input  logic [Bits-1:0]    x_i,
  output logic [OutBits-1:0] product_o
);
  localparam int unsigned SIZE  = Factor < 0 ? -Factor : Factor;
  localparam int unsigned FIRST = $clog2(SIZE & -SIZE);  // lowest bit that is set
  localparam int unsigned LAST  = $clog2(SIZE + 1) - 1;

  logic [OutBits-1:0] x;
  if (Bipolar) begin : gen_bipolar
    assign x = {OutBits{~x_i[0]}} | OutBits'(1);
  end else if (Signed) begin : gen_signed
    assign x = OutBits'($signed(x_i));
  end else begin : gen_unsigned
    assign x = OutBits'(x_i);
  end

  for (genvar t = FIRST; t <= LAST; t++) begin : gen_term
    logic [OutBits-1:0] sum;
    if (t == FIRST) begin : gen_shift
      assign sum = x << t;
    end else if (SIZE[t]) begin : gen_add
      assign sum = gen_term[t-1].sum + (x << t);
    end else begin : gen_skip
      assign sum = gen_term[t-1].sum;
    end
  end
  assign product_o = gen_term[LAST].sum;
endmodule
