// Weighted sum of two streams of numbers: out[i] = AFactor·a[i] + BFactor·b[i].
//
// Input       Lanes elements in a word, lowest index in the low bits: two's complement (Signed),
//             unsigned, or bits that stand for ±1 (Bipolar). Factors are constants other than 0.
// Output      OutBits of two's complement for each, which hold every result.
// Throughput  one word per cycle. Latency: 1 cycle.
// Back-press. An input is taken only together with the other one: a_ready_o follows b_valid_i and
//             out_ready_i within the cycle, b_ready_o a_valid_i and out_ready_i (never its own valid).
// Form        One carry chain a lane, its sums registered: powers of two and one minus sign cost
//             nothing, see scale_element for other factors. No multiplier.
// Cost        8 lanes, 4 + 4 signed bits to 5, ECP5: 53 LUT4 (48 of them in carry chains), 41 FF.
module add #(
  parameter int unsigned Lanes    = 1,
  parameter int unsigned ABits    = 4,
  parameter bit          ASigned  = 1'b1,
  parameter bit          ABipolar = 1'b0,
  parameter int          AFactor  = 1,
  parameter int unsigned BBits    = 4,
  parameter bit          BSigned  = 1'b1,
  parameter bit          BBipolar = 1'b0,
  parameter int          BFactor  = 1,
  parameter int unsigned OutBits  = 5
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     a_valid_i,
  output logic                     a_ready_o,
  input  logic [Lanes*ABits-1:0]   a_data_i,
  input  logic                     b_valid_i,
  output logic                     b_ready_o,
  input  logic [Lanes*BBits-1:0]   b_data_i,
  output logic                     out_valid_o,
  input  logic                     out_ready_i,
  output logic [Lanes*OutBits-1:0] out_data_o
);
  if (AFactor == 0 || BFactor == 0) begin : gen_bad_factor
    $error("add: factors must not be 0");
  end
  if ((ABipolar && ABits != 1) || (BBipolar && BBits != 1)) begin : gen_bad_bits
    $error("add: bipolar elements have one bit");
  end
  if (OutBits < ABits || OutBits < BBits) begin : gen_bad_result
    $error("add: OutBits must hold every result");
  end

  logic en, out_valid_q;

  assign en          = ~out_valid_q | out_ready_i;
  assign a_ready_o   = en & b_valid_i;
  assign b_ready_o   = en & a_valid_i;
  assign out_valid_o = out_valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_q <= 1'b0;
    else if (en) out_valid_q <= a_valid_i & b_valid_i;
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [OutBits-1:0] a, b, sum, sum_q;
    scale_element #(
      .Bits(ABits), .Signed(ASigned), .Bipolar(ABipolar), .Factor(AFactor), .OutBits(OutBits)
    ) i_a (
      .x_i(a_data_i[l*ABits+:ABits]), .product_o(a)
    );
    scale_element #(
      .Bits(BBits), .Signed(BSigned), .Bipolar(BBipolar), .Factor(BFactor), .OutBits(OutBits)
    ) i_b (
      .x_i(b_data_i[l*BBits+:BBits]), .product_o(b)
    );
    if (AFactor > 0 && BFactor > 0) begin : gen_sum
      assign sum = a + b;
    end else if (AFactor > 0) begin : gen_difference
      assign sum = a - b;
    end else if (BFactor > 0) begin : gen_reverse
      assign sum = b - a;
    end else begin : gen_negative
      assign sum = -(a + b);
    end
    always_ff @(posedge clk_i) if (en) sum_q <= sum;
    assign out_data_o[l*OutBits+:OutBits] = sum_q;
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Lanes * ABits), .Given(1'b1)
  ) i_a_contract (
    .clk_i, .rst_ni, .valid_i(a_valid_i), .ready_i(a_ready_o), .data_i(a_data_i)
  );
  stream_contract #(
    .Width(Lanes * BBits), .Given(1'b1)
  ) i_b_contract (
    .clk_i, .rst_ni, .valid_i(b_valid_i), .ready_i(b_ready_o), .data_i(b_data_i)
  );
  stream_contract #(
    .Width(Lanes * OutBits)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
