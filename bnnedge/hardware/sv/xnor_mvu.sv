// Folded XNOR-popcount matrix-vector unit: y = W·x over ±1, or its thresholded sign.
//
// Function    With p[r] = number of columns where W[r] and x agree (0 ... MatrixWidth):
//             Thresholded = 0: element r is the dot product 2·p[r] − MatrixWidth, two's complement,
//             $clog2(MatrixWidth+1)+1 bits; Thresholded = 1: bit r is (p[r] >= T[r]) ^ invert[r].
// Folding     for nf in MatrixHeight/Pe, for sf in MatrixWidth/Simd: one clock cycle each. Row is
//             nf·Pe + pe, column is sf·Simd + s. An image takes NF·SF cycles, also back to back.
// Input       NF = 1: any time. NF > 1: the vector is taken while nf = 0 and replayed from a buffer
//             afterwards, in_ready_o is low then.
// Memories    Weight word nf·SF + sf: bit pe·Simd + s. Threshold word nf: per PE, from bit
//             pe·($clog2(MatrixWidth+2)+1), T in the low bits and invert in the top one.
// Back-press. The whole pipeline stops. in_ready_o comes from registers, except for SF = 1, where
//             it follows out_ready_i within the cycle (never in_valid_i).
// Latency     from the last beat of a row: 2 + popcount + BlockRom + Thresholded cycles.
// Form        The accumulator is cleared by its reset pin while the finished sum goes to the output
//             register, so no multiplexer stands in the adder loop; it starts at −⌈MW/2⌉, so the
//             dot product costs no subtraction. Shallow weight ROMs are logic that synthesis
//             merges with the XNORs; deep ones are block RAM with an output register.
// Cost        64x64 layer, accumulator output (build_scripts/kernel_cost.py). ECP5 is placed and
//             routed, with the popcount's ECP5 form. 16x16, block RAM: ECP5 573 LUT4 + 742 FF,
//             138 MHz (the RAM's clock-to-q limits); xc7 476 LUT + 113 CARRY4 + 755 FF. 32x32,
//             logic ROM: ECP5 1895 LUT4 + 1491 FF, 162 MHz; xc7 1680 LUT + 384 CARRY4 + 1533 FF.
//             32x32, block RAM: ECP5 1889 LUT4 + 2670 FF, 129 MHz. 16x16, logic ROM: 834 LUT4 +
//             727 FF, 180 MHz.
module xnor_mvu #(
  parameter int unsigned MatrixWidth   = 64,
  parameter int unsigned MatrixHeight  = 64,
  parameter int unsigned Pe            = 16,
  parameter int unsigned Simd          = 16,
  parameter bit          Thresholded   = 1'b0,
  parameter bit          BlockRom      = 1'b0,
  parameter              WeightFile    = "",
  parameter              ThresholdFile = ""
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
  localparam int unsigned NF         = MatrixHeight / Pe;
  localparam int unsigned DEPTH      = NF * SF;
  localparam int unsigned ADDR_BITS  = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int unsigned COUNT_BITS = $clog2(MatrixWidth + 1);
  // From a step to its count: see popcount for the first term.
  localparam int unsigned LATENCY    = ($clog2((Simd + 2) / 3) + 2) / 2 + (BlockRom ? 2 : 1);
  localparam logic [COUNT_BITS-1:0] START =
      Thresholded ? '0 : COUNT_BITS'(-((MatrixWidth + 1) / 2));

  if (SF * Simd != MatrixWidth || NF * Pe != MatrixHeight) begin : gen_bad_folding
    $error("xnor_mvu: Simd must divide MatrixWidth and Pe must divide MatrixHeight");
  end

  // ---- fold counters: one step a cycle, waiting for input only while the first fold runs
  logic en, step, first_fold, last_beat;
  logic [ADDR_BITS-1:0] addr_q;

  assign step       = en & (in_valid_i | ~first_fold);
  assign in_ready_o = en & first_fold;

  if (DEPTH == 1) begin : gen_no_addr
    assign addr_q = '0;
  end else begin : gen_addr
    always_ff @(posedge clk_i) begin
      if (!rst_ni) addr_q <= '0;
      else if (step) addr_q <= addr_q == ADDR_BITS'(DEPTH - 1) ? '0 : addr_q + 1'b1;
    end
  end

  if (NF == 1) begin : gen_one_fold
    assign first_fold = 1'b1;
  end else begin : gen_folds
    logic first_fold_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) first_fold_q <= 1'b1;
      else if (step && last_beat) first_fold_q <= addr_q == ADDR_BITS'(DEPTH - 1);
    end
    assign first_fold = first_fold_q;
  end

  // ---- input vector: straight from the stream, or from the replay buffer
  logic [Simd-1:0] x_q;

  if (SF == 1) begin : gen_one_beat
    assign last_beat = 1'b1;
    always_ff @(posedge clk_i) if (step && first_fold) x_q <= in_data_i;
  end else begin : gen_beats
    localparam int unsigned SF_BITS = $clog2(SF);
    logic [SF_BITS-1:0] sf_q;
    logic [Simd-1:0]    x_d;

    assign last_beat = sf_q == SF_BITS'(SF - 1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) sf_q <= '0;
      else if (step) sf_q <= last_beat ? '0 : sf_q + 1'b1;
      if (en) x_q <= x_d;
    end

    if (NF == 1) begin : gen_no_replay
      assign x_d = in_data_i;
    end else begin : gen_replay
      logic [Simd-1:0] replay[SF];
      always_ff @(posedge clk_i) if (step && first_fold) replay[sf_q] <= in_data_i;
      assign x_d = first_fold ? in_data_i : replay[sf_q];
    end
  end

  // ---- weights, aligned with x
  logic [Pe*Simd-1:0] weights;
  logic [Simd-1:0]    x;

  if (BlockRom) begin : gen_block_rom
    (* rom_style = "block" *) logic [Pe*Simd-1:0] rom[DEPTH];
    logic [Pe*Simd-1:0] read_q, weights_q;
    logic [Simd-1:0]    x_qq;
    initial $readmemh(WeightFile, rom);
    always_ff @(posedge clk_i) begin
      if (en) begin
        read_q    <= rom[addr_q];
        weights_q <= read_q;
        x_qq      <= x_q;
      end
    end
    assign weights = weights_q;
    assign x       = x_qq;
  end else begin : gen_logic_rom
    (* rom_style = "logic" *) logic [Pe*Simd-1:0] rom[DEPTH];
    initial $readmemh(WeightFile, rom);
    if (DEPTH == 1) begin : gen_constant
      assign weights = rom[addr_q];
    end else begin : gen_fold
      logic [ADDR_BITS-1:0] fold_q;
      always_ff @(posedge clk_i) if (en) fold_q <= addr_q;
      assign weights = rom[fold_q];
    end
    assign x = x_q;
  end

  // ---- popcounts and accumulators
  logic [LATENCY-1:0] valid_q, done_q;  // a step's count, and the last one of a row
  logic               valid, done;
  logic [Pe*COUNT_BITS-1:0] total_d, total_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
      done_q  <= '0;
    end else if (en) begin
      valid_q <= LATENCY'({valid_q, step});
      done_q  <= LATENCY'({done_q, step & last_beat});
    end
    if (en && done) total_q <= total_d;
  end
  assign valid = valid_q[LATENCY-1];
  assign done  = done_q[LATENCY-1];

  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    logic [COUNT_BITS-1:0] acc;

    popcount #(
      .Width  (Simd),
      .SumBits(COUNT_BITS)
    ) i_popcount (
      .clk_i,
      .en_i  (en),
      .a_i   (weights[p*Simd+:Simd]),
      .b_i   (x),
      .base_i(acc),
      .sum_o (total_d[p*COUNT_BITS+:COUNT_BITS])
    );

    if (SF == 1) begin : gen_no_acc
      assign acc = START;
    end else begin : gen_acc
      logic [COUNT_BITS-1:0] acc_q;
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (en && done)) acc_q <= START;
        else if (en && valid) acc_q <= total_d[p*COUNT_BITS+:COUNT_BITS];
      end
      assign acc = acc_q;
    end
  end

  // ---- output register: `total_q` itself, or the thresholds' bits one cycle later
  // `final_valid` is the result about to enter it, `final_next` the one behind.
  logic out_valid_d, out_valid_q, final_valid, final_next;

  assign out_valid_d = (en & final_valid) | (out_valid_q & ~out_ready_i);
  assign out_valid_o = out_valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_q <= 1'b0;
    else out_valid_q <= out_valid_d;
  end

  if (SF == 1) begin : gen_enable
    logic unused;
    assign unused = final_next & valid;
    assign en = ~(final_valid & out_valid_q & ~out_ready_i);
  end else begin : gen_enable_early
    // Results are at least two cycles apart, so it costs no throughput to decide one cycle early,
    // as if out_ready_i stayed low.
    logic en_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) en_q <= 1'b1;
      else en_q <= ~((en_q ? final_next : final_valid) & out_valid_d);
    end
    assign en = en_q;
  end

  if (Thresholded) begin : gen_thresholds
    localparam int unsigned T_BITS   = $clog2(MatrixWidth + 2);
    localparam int unsigned NF_BITS  = NF > 1 ? $clog2(NF) : 1;
    logic [Pe*(T_BITS+1)-1:0] thresholds;
    logic [Pe-1:0]            bits_q;
    logic                     total_valid_q;

    if (NF == 1) begin : gen_constant
      (* rom_style = "logic" *) logic [Pe*(T_BITS+1)-1:0] rom[NF];
      initial $readmemh(ThresholdFile, rom);
      assign thresholds = rom[0];
    end else begin : gen_fold
      logic [Pe*(T_BITS+1)-1:0] rom[NF];
      logic [Pe*(T_BITS+1)-1:0] thresholds_q;
      logic [NF_BITS-1:0]       nf_q;
      initial $readmemh(ThresholdFile, rom);
      always_ff @(posedge clk_i) begin
        if (!rst_ni) nf_q <= '0;
        else if (en && done) nf_q <= nf_q == NF_BITS'(NF - 1) ? '0 : nf_q + 1'b1;
        if (en) thresholds_q <= rom[nf_q];
      end
      assign thresholds = thresholds_q;
    end

    assign final_valid = total_valid_q;
    assign final_next  = done;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) total_valid_q <= 1'b0;
      else if (en) total_valid_q <= done;
    end
    for (genvar p = 0; p < Pe; p++) begin : gen_bit
      logic [T_BITS-1:0] threshold;
      logic              invert;
      assign {invert, threshold} = thresholds[p*(T_BITS+1)+:T_BITS+1];
      always_ff @(posedge clk_i) begin
        if (en && total_valid_q)
          bits_q[p] <= (T_BITS'(total_q[p*COUNT_BITS+:COUNT_BITS]) >= threshold) ^ invert;
      end
    end
    assign out_data_o = bits_q;
  end else begin : gen_dots
    assign final_valid = done;
    assign final_next  = done_q[LATENCY-2];
    for (genvar p = 0; p < Pe; p++) begin : gen_dot
      assign out_data_o[p*(COUNT_BITS+1)+:COUNT_BITS+1] =
          {total_q[p*COUNT_BITS+:COUNT_BITS], 1'(MatrixWidth % 2)};
    end
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Simd)
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
