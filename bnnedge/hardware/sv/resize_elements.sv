// Widens each of Elements numbers from InBits to OutBits, or drops what they have above; wires only.
module resize_elements #(
  parameter int unsigned Elements = 1,
  parameter int unsigned InBits   = 8,
  parameter int unsigned OutBits  = 8,
  parameter bit          Signed   = 1'b1
) (
  input  logic [Elements*InBits-1:0]  data_i,
  output logic [Elements*OutBits-1:0] data_o
);
  for (genvar e = 0; e < Elements; e++) begin : gen_element
    logic [InBits-1:0] element;
    assign element = data_i[e*InBits+:InBits];
    if (OutBits > InBits) begin : gen_widen
      assign data_o[e*OutBits+:OutBits] =
          {{(OutBits - InBits){Signed & element[InBits-1]}}, element};
    end else begin : gen_narrow
      if (OutBits < InBits) begin : gen_rest
        logic unused;
        assign unused = ^element[InBits-1:OutBits];
      end
      assign data_o[e*OutBits+:OutBits] = element[OutBits-1:0];
    end
  end
endmodule
