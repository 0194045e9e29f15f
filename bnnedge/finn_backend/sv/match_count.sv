// Dot products d of Synapses ±1 pairs to the numbers of pairs that agree, (d + Synapses) / 2.
//
// Form        d and Synapses are both even or both odd, so the bit below counts for nothing but a
//             round up: one adder of a constant for each element, no handshake.
module match_count #(
  parameter int unsigned Elements = 1,
  parameter int unsigned Synapses = 8,
  parameter int unsigned InBits   = $clog2(Synapses + 1) + 1,
  parameter int unsigned OutBits  = InBits - 1
) (
  input  logic [Elements*InBits-1:0]  data_i,
  output logic [Elements*OutBits-1:0] data_o
);
  localparam int unsigned COUNT_BITS = InBits - 1;

  if (OutBits < COUNT_BITS) begin : gen_bad_result
    $error("match_count: OutBits must hold Synapses");
  end

  for (genvar e = 0; e < Elements; e++) begin : gen_element
    logic [COUNT_BITS-1:0] count;
    logic                  unused;
    assign unused = data_i[e*InBits];
    // Modulo 2**COUNT_BITS, which holds every count.
    assign count = data_i[e*InBits+1+:COUNT_BITS] + COUNT_BITS'((Synapses + 1) / 2);
    assign data_o[e*OutBits+:OutBits] = OutBits'(count);
  end
endmodule
