// Integers to codes: code = Low + #{i : x >= t[c][i]}, or Low + Thresholds − #{…} where c is inverted.
//
// Function    Thresholds of a channel ascend. They are one to 255; STAGES = ⌈log2(Thresholds + 1)⌉.
// Input       Channels / Pe beats of Pe elements for a pixel, two's complement of InBits, channel 0 in
//             the low bits of the first.
// Memories    <TableFile>_<stage>_<lane>.mem: stage j of lane p has 2**j thresholds (ThresholdBits,
//             two's complement) for each of its channels p, p + Pe, p + 2·Pe ...; the word of the bits
//             found before is, of the thresholds filled up to 2**STAGES − 1 with ones that no x
//             reaches, the one halfway. Shared: one channel's, in lane 000's files, for all of them.
//             InvertFile, unless empty: word f, bit p: channel f·Pe + p is inverted.
// Throughput  one beat per cycle. Latency: STAGES cycles, and for every stage of more than 16 words
//             one more, of 2048 bits or more two.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        Binary search, a stage for every bit of the count: STAGES comparators a lane instead of
//             one for every threshold. Up to 16 words are read by a LUT4 in front of the comparator,
//             more into a register, so that they fit block RAM, and where they are in block RAM then into
//             another, since such a memory takes 5.7 ns (ECP5). The pipeline stalls as a whole: one
//             gate instead of one for every stage, and at full rate there are no bubbles to close.
// Cost        64 channels, 12 bits in, 15 thresholds each, Pe = 2, ECP5 placed and routed: 917 LUT4,
//             346 FF, 2 DP16KD, 132 MHz; the same shared: 192 LUT4, 142 FF, 146 MHz.
module multi_threshold #(
  parameter int unsigned Channels      = 8,
  parameter int unsigned Pe            = 1,
  parameter int unsigned InBits        = 8,
  parameter int unsigned OutBits       = 2,
  parameter int unsigned Thresholds    = 3,
  parameter int unsigned ThresholdBits = 9,
  parameter int          Low           = 0,
  parameter bit          Shared        = 1'b0,
  parameter              TableFile     = "",
  parameter              InvertFile    = ""
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,
  input  logic [Pe*InBits-1:0]  in_data_i,
  output logic                  out_valid_o,
  input  logic                  out_ready_i,
  output logic [Pe*OutBits-1:0] out_data_o
);
  localparam int unsigned STAGES    = $clog2(Thresholds + 1);
  localparam int unsigned FILLED    = (1 << STAGES) - 1 - Thresholds;
  localparam int unsigned FOLDS     = Channels / Pe;
  localparam int unsigned ROWS      = Shared ? 1 : FOLDS;
  localparam bit          FOLDED    = FOLDS > 1 && (!Shared || InvertFile != "");
  localparam int unsigned FOLD_BITS = FOLDED ? $clog2(FOLDS) : 1;

  if (Channels % Pe != 0 || Pe > 1000) begin : gen_bad_folding
    $error("multi_threshold: Pe must divide Channels, and not exceed 1000");
  end
  if (Thresholds < 1 || Thresholds > 255) begin : gen_bad_thresholds
    $error("multi_threshold: wanted 1 to 255 thresholds");
  end
  if (OutBits < STAGES || (ThresholdBits != InBits && ThresholdBits != InBits + 1)) begin : gen_bad_bits
    $error("multi_threshold: OutBits must hold a code, ThresholdBits be InBits or one more");
  end

  logic en, out_valid_q;
  assign en          = ~out_valid_q | out_ready_i;
  assign in_ready_o  = en;
  assign out_valid_o = out_valid_q;

  logic [FOLD_BITS-1:0] fold;  // of what comes in
  if (FOLDED) begin : gen_fold
    logic [FOLD_BITS-1:0] fold_q;
    assign fold = fold_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) fold_q <= '0;
      else if (en && in_valid_i) fold_q <= fold_q == FOLD_BITS'(FOLDS - 1) ? '0 : fold_q + 1'b1;
    end
  end else begin : gen_no_fold
    assign fold = '0;
  end

  // A stage takes what the one before has found, reads its threshold, and compares with it.
  for (genvar j = 0; j < STAGES; j++) begin : gen_stage
    localparam int unsigned WORDS      = ROWS << j;
    localparam int unsigned ADDR_BITS  = WORDS > 1 ? $clog2(WORDS) : 1;
    localparam int unsigned WAIT       = WORDS <= 16 ? 0 : WORDS * ThresholdBits < 2048 ? 1 : 2;
    logic                 taken_valid, valid;
    logic [FOLD_BITS-1:0] taken_fold, compared_fold;
    logic [Pe*InBits-1:0] taken_x, compared_x;

    if (j == 0) begin : gen_first
      assign taken_valid = in_valid_i;
      assign taken_fold  = fold;
      assign taken_x     = in_data_i;
    end else begin : gen_next
      always_ff @(posedge clk_i) begin
        if (!rst_ni) taken_valid <= 1'b0;
        else if (en) taken_valid <= gen_stage[j-1].valid;
        if (en) begin
          taken_fold <= gen_stage[j-1].compared_fold;
          taken_x    <= gen_stage[j-1].compared_x;
        end
      end
    end
    if (WAIT > 0) begin : gen_wait
      logic [WAIT:0]                valid_at;
      logic [(WAIT+1)*FOLD_BITS-1:0] fold_at;
      logic [(WAIT+1)*Pe*InBits-1:0] x_at;
      assign valid_at[0]              = taken_valid;
      assign fold_at[0+:FOLD_BITS]    = taken_fold;
      assign x_at[0+:Pe*InBits]       = taken_x;
      always_ff @(posedge clk_i) begin
        if (!rst_ni) valid_at[WAIT:1] <= '0;
        else if (en) valid_at[WAIT:1] <= valid_at[WAIT-1:0];
        if (en) begin
          fold_at[(WAIT+1)*FOLD_BITS-1:FOLD_BITS] <= fold_at[WAIT*FOLD_BITS-1:0];
          x_at[(WAIT+1)*Pe*InBits-1:Pe*InBits]    <= x_at[WAIT*Pe*InBits-1:0];
        end
      end
      assign valid         = valid_at[WAIT];
      assign compared_fold = fold_at[WAIT*FOLD_BITS+:FOLD_BITS];
      assign compared_x    = x_at[WAIT*Pe*InBits+:Pe*InBits];
    end else begin : gen_no_wait
      assign valid         = taken_valid;
      assign compared_fold = taken_fold;
      assign compared_x    = taken_x;
    end

    for (genvar p = 0; p < Pe; p++) begin : gen_pe
      localparam int unsigned LANE = Shared ? 0 : p;
      logic [ThresholdBits-1:0] rom[WORDS];
      logic [ThresholdBits-1:0] threshold;
      logic [ADDR_BITS-1:0]     addr;
      logic                     reached;
      logic [j:0]               found;
      initial $readmemh({TableFile, "_", 8'("0" + j), "_", 8'("0" + LANE / 100),
                         8'("0" + LANE / 10 % 10), 8'("0" + LANE % 10), ".mem"}, rom);

      if (WAIT == 2) begin : gen_read_ahead
        logic [ThresholdBits-1:0] read_q;
        always_ff @(posedge clk_i) if (en) {threshold, read_q} <= {read_q, rom[addr]};
      end else if (WAIT == 1) begin : gen_read
        always_ff @(posedge clk_i) if (en) threshold <= rom[addr];
      end else begin : gen_look
        assign threshold = rom[addr];
      end
      assign reached = $signed(ThresholdBits'($signed(compared_x[p*InBits+:InBits])))
          >= $signed(threshold);

      if (j == 0) begin : gen_first
        if (ROWS > 1) begin : gen_rows
          assign addr = taken_fold;
        end else begin : gen_row
          assign addr = '0;
        end
        assign found = reached;
      end else begin : gen_next
        logic [j-1:0] taken, compared;
        always_ff @(posedge clk_i) if (en) taken <= gen_stage[j-1].gen_pe[p].found;
        if (WAIT == 2) begin : gen_wait_twice
          logic [j-1:0] wait_q;
          always_ff @(posedge clk_i) if (en) {compared, wait_q} <= {wait_q, taken};
        end else if (WAIT == 1) begin : gen_wait
          always_ff @(posedge clk_i) if (en) compared <= taken;
        end else begin : gen_no_wait
          assign compared = taken;
        end
        if (ROWS > 1) begin : gen_rows
          assign addr = {taken_fold, taken};
        end else begin : gen_row
          assign addr = taken;
        end
        assign found = {compared, reached};
      end
    end
  end

  // ---- inverted channels, and Low
  logic [FOLD_BITS-1:0] out_fold;
  logic [Pe-1:0]        invert;
  assign out_fold = gen_stage[STAGES-1].compared_fold;
  if (InvertFile == "") begin : gen_none_inverted
    logic unused;
    assign unused = ^out_fold;
    assign invert = '0;
  end else begin : gen_inverted
    (* rom_style = "logic" *) logic [Pe-1:0] rom[FOLDS];
    initial $readmemh(InvertFile, rom);
    assign invert = rom[out_fold];
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_out
    logic [STAGES-1:0]  count;
    logic [OutBits-1:0] low, code_q;
    // The complement of a count also counts what was filled up.
    assign count = gen_stage[STAGES-1].gen_pe[p].found ^ {STAGES{invert[p]}};
    assign low   = invert[p] ? OutBits'(Low - int'(FILLED)) : OutBits'(Low);
    always_ff @(posedge clk_i) if (en) code_q <= low + OutBits'(count);
    assign out_data_o[p*OutBits+:OutBits] = code_q;
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_q <= 1'b0;
    else if (en) out_valid_q <= gen_stage[STAGES-1].valid;
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Pe * InBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(Pe * OutBits)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
