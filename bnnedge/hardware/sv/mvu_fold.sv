// Front of a folded matrix-vector unit: every cycle one word of the vector and the weights it meets.
//
// Function    for vector in Vectors (groups), for fold in Folds, for word in Words: one step each,
//             on the next word of weight memory. A vector's words are taken in its first fold and
//             replayed from a buffer in the others; in_ready_o is low then.
// Latency     1 cycle (BlockRom = 0), 2 (1) or 3 (more, or a deep one) from a step to x_o, weights_o,
//             valid_o and last_o (a fold's last word), in which en_i is high.
// Memories    WeightFile; with BlockRom > 1 or more than DeepWords words <WeightFile>_<n>_<slice>.mem:
//             piece n is as deep as the largest power of two among the words left, up to 16,384; the
//             last one has all that are left. One of more than DeepWords is in slices of 8 bits, the
//             low ones first.
// Back-press. en_i low stops everything. in_ready_o is high only with en_i.
// Form        Weight ROMs of up to LutWords are logic that synthesis merges with what follows; deeper
//             ones in logic have a register behind them in place of their address's. Others are
//             block RAM with an output register, in BlockRom pieces with a registered multiplexer
//             behind them. Uncut, synthesis would make rows of blocks, with a multiplexer of as many
//             inputs in the cycle of the blocks' own 5.7 ns (ECP5): for a depth that is no power of
//             two, and for words of more than 8 bits to use the blocks' bits for parity. 2304x512
//             at 2x24 reaches 79 MHz uncut, 141 MHz so. In the cycle that weights take to come from
//             there all words pass the replay buffer, so none goes around it. One of more than
//             ShortWords is thought to be in block RAM, too, and has registers at both sides.
module mvu_fold #(
  parameter int unsigned WordBits   = 8,
  parameter int unsigned WeightBits = 8,
  parameter int unsigned Words      = 4,
  parameter int unsigned Folds      = 4,
  parameter int unsigned Vectors    = 1,
  parameter int unsigned BlockRom   = 0,
  parameter int unsigned DeepWords  = 2048,
  parameter int unsigned ShortWords = 16,
  parameter int unsigned LutWords   = 16,
  parameter              WeightFile = ""
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  en_i,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,
  input  logic [WordBits-1:0]   in_data_i,
  output logic                  valid_o,
  output logic                  last_o,
  output logic [WordBits-1:0]   x_o,
  output logic [WeightBits-1:0] weights_o
);
  localparam int unsigned DEPTH     = Vectors * Folds * Words;
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam bit          CUT       = BlockRom > 1 || (BlockRom == 1 && DEPTH > DeepWords);

  // ---- fold counters: one step a cycle, waiting for input only while the first fold runs
  logic step, first_fold, last_word;
  logic [ADDR_BITS-1:0] addr_q;

  assign step       = en_i & (in_valid_i | ~first_fold);
  assign in_ready_o = en_i & first_fold;

  if (DEPTH == 1) begin : gen_no_addr
    assign addr_q = '0;
  end else begin : gen_addr
    always_ff @(posedge clk_i) begin
      if (!rst_ni) addr_q <= '0;
      else if (step) addr_q <= addr_q == ADDR_BITS'(DEPTH - 1) ? '0 : addr_q + 1'b1;
    end
  end

  if (Folds == 1) begin : gen_one_fold
    assign first_fold = 1'b1;
  end else begin : gen_folds
    logic first_fold_q, last_fold;
    if (Vectors == 1) begin : gen_by_address
      assign last_fold = addr_q == ADDR_BITS'(DEPTH - 1);
    end else begin : gen_by_count
      loop_counter #(
        .Bound(Folds)
      ) i_folds (
        .clk_i, .rst_ni, .step_i(step & last_word), .last_o(last_fold)
      );
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni) first_fold_q <= 1'b1;
      else if (step && last_word) first_fold_q <= last_fold;
    end
    assign first_fold = first_fold_q;
  end

  // ---- input vector: straight from the stream, or from the replay buffer
  logic [WordBits-1:0] x_q, x_qq;  // x_qq: a cycle later, for weights in block RAM
  logic                valid_q, last_q;

  if (!CUT || Folds == 1 || Words <= ShortWords) begin : gen_x_late
    always_ff @(posedge clk_i) if (en_i) x_qq <= x_q;
  end

  if (Words == 1) begin : gen_one_word
    assign last_word = 1'b1;
    always_ff @(posedge clk_i) if (step && first_fold) x_q <= in_data_i;
  end else begin : gen_words
    localparam int unsigned COUNT_BITS = $clog2(Words);
    logic [COUNT_BITS-1:0] word_q;

    assign last_word = word_q == COUNT_BITS'(Words - 1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) word_q <= '0;
      else if (step) word_q <= last_word ? '0 : word_q + 1'b1;
    end

    if (Folds == 1) begin : gen_no_replay
      always_ff @(posedge clk_i) if (en_i) x_q <= in_data_i;
    end else begin : gen_replay
      if (BlockRom == 0) begin : gen_at_once
        (* no_rw_check *) logic [WordBits-1:0] replay[Words];  // what is written is not read
        always_ff @(posedge clk_i) begin
          if (step && first_fold) replay[word_q] <= in_data_i;
          if (en_i) x_q <= first_fold ? in_data_i : replay[word_q];
        end
      end
      if (BlockRom > 0 && Words <= ShortWords) begin : gen_through
        (* ram_style = "distributed" *) logic [WordBits-1:0] replay[Words];
        logic [COUNT_BITS-1:0] place_q;
        always_ff @(posedge clk_i) begin
          if (step && first_fold) replay[word_q] <= in_data_i;
          if (en_i) place_q <= word_q;
        end
        assign x_q = replay[place_q];
      end
      if (BlockRom > 0 && Words > ShortWords) begin : gen_late
        (* no_rw_check *) logic [WordBits-1:0] replay[Words];
        logic [WordBits-1:0]   given_q, read_q;
        logic [COUNT_BITS-1:0] place_q;
        logic                  first_q;
        always_ff @(posedge clk_i) begin
          if (en_i) begin
            given_q <= in_data_i;
            read_q  <= replay[word_q];
            place_q <= word_q;
            first_q <= first_fold;
          end
          if (valid_q && first_q) replay[place_q] <= given_q;
        end
        assign x_q = first_q ? given_q : read_q;
        if (CUT) begin : gen_registers  // one of the RAM's own, before the multiplexer
          logic [WordBits-1:0] given_qq, read_qq;
          logic                first_qq, unused;
          always_ff @(posedge clk_i) begin
            if (en_i) begin
              given_qq <= given_q;
              read_qq  <= read_q;
              first_qq <= first_q;
            end
          end
          assign x_qq   = first_qq ? given_qq : read_qq;
          assign unused = &x_q;
        end
      end
    end
  end

  // Where a piece of weights begins.
  function automatic int unsigned base_of(int unsigned piece);
    base_of = 0;
    for (int unsigned n = 0; n < piece; n++) begin
      base_of = base_of + (DEPTH - base_of > 16384 ? 16384
          : 1 << ($clog2(DEPTH - base_of + 1) - 1));
    end
  endfunction

  // ---- weights, aligned with x
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      last_q  <= 1'b0;
    end else if (en_i) begin
      valid_q <= step;
      last_q  <= step & last_word;
    end
  end

  if (BlockRom == 1 && !CUT) begin : gen_block_rom
    (* rom_style = "block" *) logic [WeightBits-1:0] rom[DEPTH];
    logic [WeightBits-1:0] read_q, weights_q;
    logic                  valid_qq, last_qq;
    initial $readmemh(WeightFile, rom);
    always_ff @(posedge clk_i) begin
      if (en_i) begin
        read_q    <= rom[addr_q];
        weights_q <= read_q;
      end
      if (!rst_ni) begin
        valid_qq <= 1'b0;
        last_qq  <= 1'b0;
      end else if (en_i) begin
        valid_qq <= valid_q;
        last_qq  <= last_q;
      end
    end
    assign weights_o = weights_q;
    assign x_o       = x_qq;
    assign valid_o   = valid_qq;
    assign last_o    = last_qq;
  end
  if (CUT) begin : gen_cut_rom
    logic [BlockRom*WeightBits-1:0] pieces;  // a word of each
    logic [BlockRom-1:0]            here, here_q, here_qq;  // the last one's is not looked at
    logic [WeightBits-1:0]          weights_d, weights_q;
    logic [WordBits-1:0]            x_late_q;
    logic [1:0]                     valid_late_q, last_late_q;
    logic                           unused;

    for (genvar n = 0; n < BlockRom; n++) begin : gen_piece
      localparam int unsigned BASE  = base_of(n);
      localparam int unsigned WORDS = (n == BlockRom - 1 ? DEPTH : base_of(n + 1)) - BASE;
      localparam int unsigned BITS  = WORDS > 1 ? $clog2(WORDS) : 1;
      localparam int unsigned SLICE = WORDS > DeepWords ? 8 : WeightBits;
      for (genvar b = 0; b < WeightBits; b += SLICE) begin : gen_slice
        localparam int unsigned WIDTH = WeightBits - b < SLICE ? WeightBits - b : SLICE;
        localparam int unsigned PLACE = b / SLICE;
        (* rom_style = "block" *) logic [WIDTH-1:0] rom[WORDS];
        logic [WIDTH-1:0] read_q, word_q;
        initial $readmemh({WeightFile, "_", 8'("0" + n), "_", 8'("0" + PLACE / 100),
                           8'("0" + PLACE / 10 % 10), 8'("0" + PLACE % 10), ".mem"}, rom);
        always_ff @(posedge clk_i) begin
          if (en_i) begin
            read_q <= rom[addr_q[BITS-1:0]];
            word_q <= read_q;
          end
        end
        assign pieces[n*WeightBits+b+:WIDTH] = word_q;
      end
      assign here[n] = addr_q >> BITS == ADDR_BITS'(BASE >> BITS);
    end

    always_comb begin
      weights_d = pieces[(BlockRom-1)*WeightBits+:WeightBits];
      for (int unsigned n = 0; n < BlockRom - 1; n++) begin
        if (here_qq[n]) weights_d = pieces[n*WeightBits+:WeightBits];
      end
    end
    always_ff @(posedge clk_i) begin
      if (en_i) begin
        here_q    <= here;
        here_qq   <= here_q;
        weights_q <= weights_d;
        x_late_q  <= x_qq;
      end
      if (!rst_ni) begin
        valid_late_q <= '0;
        last_late_q  <= '0;
      end else if (en_i) begin
        valid_late_q <= {valid_late_q[0], valid_q};
        last_late_q  <= {last_late_q[0], last_q};
      end
    end
    assign unused    = here_qq[BlockRom-1];
    assign weights_o = weights_q;
    assign x_o       = x_late_q;
    assign valid_o   = valid_late_q[1];
    assign last_o    = last_late_q[1];
  end
  if (BlockRom == 0) begin : gen_logic_rom
    (* rom_style = "logic" *) logic [WeightBits-1:0] rom[DEPTH];
    initial $readmemh(WeightFile, rom);
    if (DEPTH == 1) begin : gen_constant
      assign weights_o = rom[addr_q];
    end else if (DEPTH <= LutWords) begin : gen_fold
      logic [ADDR_BITS-1:0] fold_q;
      always_ff @(posedge clk_i) if (en_i) fold_q <= addr_q;
      assign weights_o = rom[fold_q];
    end else begin : gen_deep
      logic [WeightBits-1:0] weights_q;
      always_ff @(posedge clk_i) if (en_i) weights_q <= rom[addr_q];
      assign weights_o = weights_q;
    end
    logic unused;
    assign unused  = &x_qq;
    assign x_o     = x_q;
    assign valid_o = valid_q;
    assign last_o  = last_q;
  end
endmodule
