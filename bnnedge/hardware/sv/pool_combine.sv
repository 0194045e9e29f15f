// What a pool keeps when another pixel of its window comes: OR or AND of bits, sums or maxima of
// integers.
//
// Sum = 1: elements are two's complement. Max = 1: the largest, of elements that are two's complement
// (Signed = 1) or unsigned; ResultBits is ElementBits. Else both are 1; conjunction_i chooses AND for
// a lane. first_i: there is nothing kept yet. Wires and logic only.
module pool_combine #(
  parameter bit          Sum         = 1'b0,
  parameter bit          Max         = 1'b0,
  parameter bit          Signed      = 1'b0,
  parameter int unsigned Lanes       = 1,
  parameter int unsigned ElementBits = 1,
  parameter int unsigned ResultBits  = 1
) (
  input  logic                         first_i,
  input  logic [Lanes-1:0]             conjunction_i,
  input  logic [Lanes*ResultBits-1:0]  kept_i,
  input  logic [Lanes*ElementBits-1:0] data_i,
  output logic [Lanes*ResultBits-1:0]  result_o
);
  if (Sum) begin : gen_sum
    logic unused;
    assign unused = ^conjunction_i;
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      assign result_o[l*ResultBits+:ResultBits] =
          ResultBits'($signed(data_i[l*ElementBits+:ElementBits]))
          + (kept_i[l*ResultBits+:ResultBits] & {ResultBits{~first_i}});
    end
  end else if (Max) begin : gen_max
    logic unused;
    assign unused = ^conjunction_i;
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      logic [ElementBits-1:0] kept, data;
      logic                   more;
      assign kept = kept_i[l*ElementBits+:ElementBits];
      assign data = data_i[l*ElementBits+:ElementBits];
      if (Signed) begin : gen_signed
        assign more = $signed(data) > $signed(kept);
      end else begin : gen_unsigned
        assign more = data > kept;
      end
      assign result_o[l*ElementBits+:ElementBits] = first_i || more ? data : kept;
    end
  end else begin : gen_bits
    // Nothing kept is 0 to an OR and 1 to an AND.
    logic [Lanes-1:0] kept;
    assign kept     = first_i ? conjunction_i : kept_i;
    assign result_o = (kept & data_i) | (~conjunction_i & (kept | data_i));
  end
endmodule
