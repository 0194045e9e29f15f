// Folded XNOR-popcount matrix-vector unit: y = W·x over ±1, or its thresholded sign.
//
// Function    With p[r] = number of columns where W[r] and x agree (0 ... MatrixWidth):
//             Thresholded = 0: element r is the dot product 2·p[r] − MatrixWidth, two's complement,
//             $clog2(MatrixWidth+1)+1 bits, plus C[r] if Corrected; Thresholded = 1: bit r is
//             (p[r] >= T[r]) ^ invert[r]. Masked: a column whose mask is 0 does not agree, and C[r]
//             makes up for what it takes off the dot product.
// Folding     for g in Groups, for nf in MatrixHeight/Groups/Pe, for sf in MatrixWidth/Simd: one
//             clock cycle each. Row is g·MatrixHeight/Groups + nf·Pe + pe, column is sf·Simd + s of
//             the g-th vector. An output pixel takes Groups·NF·SF cycles, also back to back.
// Input       NF = 1: any time. NF > 1: the vector is taken while nf = 0 and replayed from a buffer
//             afterwards, in_ready_o is low then.
// Memories    Weight word (g·NF + nf)·SF + sf: bit pe·Simd + s; in several files, if BlockRom says so:
//             see mvu_fold. Masked: a word has Simd weights, then as many masks, for every pe.
//             Thresholds or corrections, by border class of the pixel: see result_stage.
// Back-press. The whole pipeline stops. in_ready_o comes from registers, except for SF = 1, where
//             it follows out_ready_i within the cycle (never in_valid_i).
// Latency     from the last beat of a row: 1 + mvu_fold + popcount + (Thresholded or Corrected).
// Form        The accumulator is cleared by its reset pin while the finished sum goes to the output
//             register, so no multiplexer stands in the adder loop; it starts at −⌈MW/2⌉, so the
//             dot product costs no subtraction. Exact zero padding costs a deeper threshold memory;
//             masking padded taps instead would put an AND into every popcount's first level.
// Cost        64x64 layer, accumulator output (build_scripts/kernel_cost.py). ECP5 is placed and
//             routed, with the popcount's ECP5 form. 16x16, block RAM: ECP5 557 LUT4 + 668 FF,
//             227 MHz (weights are registered in the RAM); xc7 476 LUT + 129 CARRY4 + 869 FF. 32x32,
//             logic ROM: ECP5 1896 LUT4 + 1895 FF, 191 MHz; xc7 1696 LUT + 448 CARRY4 + 1919 FF.
//             32x32, block RAM: ECP5 1890 LUT4 + 2286 FF, 210 MHz. 16x16, logic ROM: 833 LUT4 +
//             924 FF, 209 MHz.
module xnor_mvu #(
  parameter int unsigned MatrixWidth   = 64,
  parameter int unsigned MatrixHeight  = 64,
  parameter int unsigned Groups        = 1,
  parameter int unsigned Pe            = 16,
  parameter int unsigned Simd          = 16,
  parameter bit          Thresholded   = 1'b0,
  parameter bit          Corrected     = 1'b0,
  parameter bit          Masked        = 1'b0,
  parameter int unsigned BlockRom      = 0,  // pieces of a weight memory in block RAM
  parameter int unsigned OutHeight     = 1,  // pixels and classes of result_stage
  parameter int unsigned OutWidth      = 1,
  parameter int unsigned RowClasses    = 1,
  parameter int unsigned ColumnClasses = 1,
  parameter              WeightFile    = "",
  parameter              TableFile     = "",
  parameter              RowFile       = "",
  parameter              ColumnFile    = ""
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            in_valid_i,
  output logic            in_ready_o,
  input  logic [Simd-1:0] in_data_i,
  output logic            out_valid_o,
  input  logic            out_ready_i,
  output logic [Pe*(Thresholded ? 1 : $clog2(MatrixWidth + 1) + 1)-1:0] out_data_o
);
  localparam int unsigned SF         = MatrixWidth / Simd;
  localparam int unsigned NF         = MatrixHeight / Groups / Pe;
  localparam int unsigned COUNT_BITS = $clog2(MatrixWidth + 1);
  localparam int unsigned TOTAL_BITS = Thresholded ? $clog2(MatrixWidth + 2) : COUNT_BITS + 1;
  localparam int unsigned LATENCY    = $clog2((Simd + 3) / 4) + 1;  // see popcount
  localparam int unsigned ROW_BITS   = Masked ? 2 * Simd : Simd;
  localparam logic [COUNT_BITS-1:0] START =
      Thresholded ? '0 : COUNT_BITS'(-((MatrixWidth + 1) / 2));

  if (SF * Simd != MatrixWidth || NF * Groups * Pe != MatrixHeight) begin : gen_bad_folding
    $error("xnor_mvu: Simd must divide MatrixWidth and Pe the rows of a group");
  end

  logic en, valid, last;
  logic [Simd-1:0]        x;
  logic [Pe*ROW_BITS-1:0] weights;

  mvu_fold #(
    .WordBits  (Simd),
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

  // ---- a step's count and the last one of a row, behind the popcount
  logic [LATENCY:0] valid_q, done_q;
  logic             unused;

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

  logic [Pe*TOTAL_BITS-1:0] total;

  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    logic [COUNT_BITS-1:0] acc, count;
    logic [Simd-1:0]       row, agreeing;

    assign row = weights[p*ROW_BITS+:Simd];
    if (Masked) begin : gen_mask
      logic [Simd-1:0] mask;
      assign mask     = weights[p*ROW_BITS+Simd+:Simd];
      assign agreeing = (row & mask) | ~(x | mask);
    end else begin : gen_all
      assign agreeing = row;
    end

    popcount #(
      .Width  (Simd),
      .SumBits(COUNT_BITS)
    ) i_popcount (
      .clk_i,
      .en_i  (en),
      .a_i   (agreeing),
      .b_i   (x),
      .base_i(acc),
      .sum_o (count)
    );

    if (SF == 1) begin : gen_no_acc
      assign acc = START;
    end else begin : gen_acc
      logic [COUNT_BITS-1:0] acc_q;
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (en && done_q[LATENCY])) acc_q <= START;
        else if (en && valid_q[LATENCY]) acc_q <= count;
      end
      assign acc = acc_q;
    end

    if (Thresholded) begin : gen_count
      assign total[p*TOTAL_BITS+:TOTAL_BITS] = TOTAL_BITS'(count);
    end else begin : gen_dot
      assign total[p*TOTAL_BITS+:TOTAL_BITS] = {count, 1'(MatrixWidth % 2)};
    end
  end

  result_stage #(
    .Pe           (Pe),
    .TotalBits    (TOTAL_BITS),
    .Thresholded  (Thresholded),
    .Corrected    (Corrected),
    .Early        (SF > 1),
    .Folds        (Groups * NF),
    .Height       (OutHeight),
    .Width        (OutWidth),
    .RowClasses   (RowClasses),
    .ColumnClasses(ColumnClasses),
    .TableFile    (TableFile),
    .RowFile      (RowFile),
    .ColumnFile   (ColumnFile)
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
    .Width(Simd), .Given(1'b1)
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
