// Folded matrix-vector unit on integers: y = W·x, or its thresholded sign.
//
// Function    With a[r] = Σ (W[r, c] ? x[c] : −x[c] − 1) over the MatrixWidth columns, which is the dot
//             product less a constant of the row, the number of its −1 weights:
//             Thresholded = 0: element r is a[r] + C[r], two's complement, as wide as the largest
//             dot product needs; Thresholded = 1: bit r is (a[r] >= T[r]) ^ invert[r], with T
//             less by that constant, too. With MagnitudeBits every term of the sum is multiplied by
//             its weight's magnitude, and the constant is the sum of its negative weights'.
// Folding     as xnor_mvu: for g in Groups, for nf in MatrixHeight/Groups/Pe, for sf in
//             MatrixWidth/Simd, one clock cycle each; rows of group g see the g-th vector.
// Memories    Weights: see xnor_mvu; with MagnitudeBits a word has Simd signs, then as many
//             magnitudes, for every pe. Thresholds or corrections: see result_stage.
// Back-press. as xnor_mvu.
// Latency     from the last beat of a row: 2 + mvu_fold + signed_sum cycles.
// Form        No DSP: see signed_sum.
// Cost        64x27, 8-bit inputs, thresholds, 16x3, ECP5 placed and routed: 1528 LUT4, 1082 FF,
//             2 DP16KD, 136 MHz.
module integer_mvu #(
  parameter int unsigned MatrixWidth   = 27,
  parameter int unsigned MatrixHeight  = 16,
  parameter int unsigned Groups        = 1,
  parameter int unsigned Pe            = 4,
  parameter int unsigned Simd          = 3,
  parameter int unsigned ElementBits   = 8,
  parameter int unsigned MagnitudeBits = 0,  // 0: all are 1
  parameter bit          Signed        = 1'b0,
  parameter bit          Thresholded   = 1'b1,
  parameter int unsigned BlockRom      = 0,  // see xnor_mvu
  parameter              WeightFile    = "",
  parameter              TableFile     = "",
  // Of one result. Dot products reach Limit, those with ones RowReach.
  localparam int unsigned RowReach = MatrixWidth * (MagnitudeBits > 1 ? (1 << MagnitudeBits) - 1 : 1),
  localparam int unsigned Limit = RowReach
      * (Signed ? 1 << (ElementBits - 1) : (1 << ElementBits) - 1),
  localparam int unsigned TotalBits = 1 + $clog2(Thresholded ? Limit + RowReach + 2 : Limit + 1)
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        in_valid_i,
  output logic                        in_ready_o,
  input  logic [Simd*ElementBits-1:0] in_data_i,
  output logic                        out_valid_o,
  input  logic                        out_ready_i,
  output logic [Pe*(Thresholded ? 1 : TotalBits)-1:0] out_data_o
);
  localparam int unsigned SF       = MatrixWidth / Simd;
  localparam int unsigned NF       = MatrixHeight / Groups / Pe;
  localparam int unsigned LATENCY  = ($clog2(Simd) + 2) / 2;
  localparam int unsigned ROW_BITS = Simd * (1 + MagnitudeBits);

  if (SF * Simd != MatrixWidth || NF * Groups * Pe != MatrixHeight) begin : gen_bad_folding
    $error("integer_mvu: Simd must divide MatrixWidth and Pe the rows of a group");
  end

  logic en, valid, last;
  logic [Simd*ElementBits-1:0] x;
  logic [Pe*ROW_BITS-1:0]      weights;

  mvu_fold #(
    .WordBits  (Simd * ElementBits),
    .WeightBits(Pe * ROW_BITS),
    .Words     (SF),
    .Folds     (NF),
    .Vectors   (Groups),
    .BlockRom  (BlockRom),
    .WeightFile(WeightFile)
  ) i_fold (
    .clk_i, .rst_ni, .en_i(en), .in_valid_i, .in_ready_o, .in_data_i,
    .valid_o(valid), .last_o(last), .x_o(x), .weights_o(weights)
  );

  // ---- a step's sums and the last one of a row, behind the tree
  logic [LATENCY:0]        valid_q, done_q;
  logic [Pe*TotalBits-1:0] total;
  logic                    unused;

  assign valid_q[0] = valid;
  assign done_q[0]  = last;
  assign unused     = &valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q[LATENCY:1] <= '0;
      done_q[LATENCY:1]  <= '0;
    end else if (en) begin
      valid_q[LATENCY:1] <= valid_q[LATENCY-1:0];
      done_q[LATENCY:1]  <= done_q[LATENCY-1:0];
    end
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    logic [TotalBits-1:0] acc;

    signed_sum #(
      .Width        (Simd),
      .ElementBits  (ElementBits),
      .Signed       (Signed),
      .MagnitudeBits(MagnitudeBits),
      .SumBits      (TotalBits)
    ) i_sum (
      .clk_i,
      .en_i  (en),
      .x_i   (x),
      .w_i   (weights[p*ROW_BITS+:ROW_BITS]),
      .base_i(acc),
      .sum_o (total[p*TotalBits+:TotalBits])
    );

    if (SF == 1) begin : gen_no_acc
      assign acc = '0;
    end else begin : gen_acc
      logic [TotalBits-1:0] acc_q;
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (en && done_q[LATENCY])) acc_q <= '0;
        else if (en && valid_q[LATENCY]) acc_q <= total[p*TotalBits+:TotalBits];
      end
      assign acc = acc_q;
    end
  end

  result_stage #(
    .Pe         (Pe),
    .TotalBits  (TotalBits),
    .Signed     (1'b1),
    .Thresholded(Thresholded),
    .Corrected  (~Thresholded),
    .Early      (SF > 1),
    .Folds      (Groups * NF),
    .TableFile  (TableFile)
  ) i_result (
    .clk_i,
    .rst_ni,
    .en_o   (en),
    .next_i (done_q[LATENCY-1]),
    .done_i (done_q[LATENCY]),
    .total_i(total),
    .out_valid_o,
    .out_ready_i,
    .out_data_o
  );

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Simd * ElementBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width($bits(out_data_o))
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
