// A `popcount` of every width up to 12 and some wider ones, each second one with a wider sum.
//
module popcounts (
  input  logic         clk_i,
  input  logic         en_i,
  input  logic [99:0]  a_i,
  input  logic [99:0]  b_i,
  input  logic [8:0]   base_i,
  output logic [152:0] sums_o
);
  for (genvar i = 0; i < 17; i++) begin : gen_width
    localparam int unsigned WIDTH =
        i < 12 ? i + 1 : i == 12 ? 16 : i == 13 ? 27 : i == 14 ? 32 : i == 15 ? 49 : 100;
    localparam int unsigned BITS = i % 2 == 0 ? $clog2(WIDTH + 1) : 9;
    logic [BITS-1:0] sum;
    popcount #(
      .Width  (WIDTH),
      .SumBits(BITS)
    ) i_popcount (
      .clk_i,
      .en_i,
      .a_i   (a_i[WIDTH-1:0]),
      .b_i   (b_i[WIDTH-1:0]),
      .base_i(base_i[BITS-1:0]),
      .sum_o (sum)
    );
    assign sums_o[i*9+:9] = 9'(sum);
  end
endmodule
