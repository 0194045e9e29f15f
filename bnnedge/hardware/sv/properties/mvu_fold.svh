  // Steps are those of vector, fold and word, as counted: each meets its word of the vector and its
  // word of weight memory, in that order, and none is left out. `vector_q` are the words that came.
  localparam int unsigned PLACE_BITS = $clog2(DEPTH + 1);
  localparam int unsigned STAGES     = CUT ? 3 : BlockRom == 1 ? 2 : 1;
  logic [DEPTH*WeightBits-1:0]  matrix;
  logic [PLACE_BITS-1:0]        place_q, word, fold;
  logic [Words*WordBits-1:0]    vector_q, vector;
  logic [(Folds > 1 ? $clog2(Folds) : 1)-1:0] inner_fold;
  logic                         goes;
  logic [STAGES:0]              valid_at, last_at;  // at[0] is the step, the others are behind it
  logic [STAGES*WordBits-1:0]   x_at_q;
  logic [STAGES*WeightBits-1:0] weights_at_q;
  assign word = place_q % PLACE_BITS'(Words);
  assign fold = place_q / PLACE_BITS'(Words) % PLACE_BITS'(Folds);
  assign goes = en_i & (in_valid_i | fold != '0);
`ifdef FORMAL
  initial assume (!rst_ni);
`endif
  always_comb begin
    vector = vector_q;
    if (fold == '0) vector[word*WordBits+:WordBits] = in_data_i;
  end

  assign valid_at[0] = goes;
  assign last_at[0]  = goes & word == PLACE_BITS'(Words - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      place_q            <= '0;
      valid_at[STAGES:1] <= '0;
      last_at[STAGES:1]  <= '0;
    end else begin
      if (goes) place_q <= place_q == PLACE_BITS'(DEPTH - 1) ? '0 : place_q + 1'b1;
      if (en_i) valid_at[STAGES:1] <= valid_at[STAGES-1:0];
      if (en_i) last_at[STAGES:1] <= last_at[STAGES-1:0];
    end
    if (goes) vector_q <= vector;
    if (en_i) begin
      x_at_q       <= {x_at_q, vector[word*WordBits+:WordBits]};
      weights_at_q <= {weights_at_q, matrix[place_q*WeightBits+:WeightBits]};
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      place_as_counted:  assert (place_q < PLACE_BITS'(DEPTH) && PLACE_BITS'(addr_q) == place_q
          && first_fold == (fold == '0) && last_word == (word == PLACE_BITS'(Words - 1)));
      taken_in_first:    assert (in_ready_o == (en_i & fold == '0) && step == goes);
      step_as_counted:   assert (valid_o == valid_at[STAGES] && last_o == last_at[STAGES]
          && valid_q == valid_at[1] && last_q == last_at[1]);
      meets_its_word:    assert (!valid_o || x_o == x_at_q[(STAGES-1)*WordBits+:WordBits]);
      meets_its_weights: assert (!valid_o
          || weights_o == weights_at_q[(STAGES-1)*WeightBits+:WeightBits]);
      first_is_kept:     assert (!valid_q || x_q == x_at_q[0+:WordBits]);
      last_step:         cover (last_o && place_q == '0);
    end
  end

  if (Words > 1) begin : gen_counts_words
    always_ff @(posedge clk_i) begin
      if (rst_ni) words_as_counted: assert (PLACE_BITS'(gen_words.word_q) == word);
    end
  end
  if (Words > 1 && Folds > 1) begin : gen_replays
    logic [Words-1:0]      kept, coming;
    logic [PLACE_BITS-1:0] coming_at;
    logic [WordBits-1:0]   coming_word;
    logic [Words*WordBits-1:0] replay;
    for (genvar w = 0; w < Words; w++) begin : gen_word
      assign kept[w] = (fold == '0 && word <= PLACE_BITS'(w)) || coming[w]
          || replay[w*WordBits+:WordBits] == vector_q[w*WordBits+:WordBits];
      if (BlockRom == 0) begin : gen_at_once_holds
        assign replay[w*WordBits+:WordBits] = gen_words.gen_replay.gen_at_once.replay[w];
      end
      if (BlockRom > 0 && Words <= ShortWords) begin : gen_through_holds
        assign replay[w*WordBits+:WordBits] = gen_words.gen_replay.gen_through.replay[w];
      end
      if (BlockRom > 0 && Words > ShortWords) begin : gen_late_holds
        assign replay[w*WordBits+:WordBits] = gen_words.gen_replay.gen_late.replay[w];
      end
    end
    if (BlockRom > 0 && Words > ShortWords) begin : gen_comes_late
      assign coming_at   = PLACE_BITS'(gen_words.gen_replay.gen_late.place_q);
      assign coming_word = gen_words.gen_replay.gen_late.given_q;
      assign coming = valid_q && gen_words.gen_replay.gen_late.first_q ? Words'(1) << coming_at : '0;
      always_ff @(posedge clk_i) begin
        if (rst_ni) last_word_comes: assert (coming == '0
            || (coming_at < PLACE_BITS'(Words)
                && word == (coming_at == PLACE_BITS'(Words - 1) ? '0 : coming_at + 1'b1)
                && coming_word == vector_q[coming_at*WordBits+:WordBits]));
      end
    end else begin : gen_comes_before
      assign {coming, coming_at, coming_word} = '0;
    end
    always_ff @(posedge clk_i) if (rst_ni) replay_is_vector: assert (&kept);
  end else if (Folds > 1) begin : gen_holds
    always_ff @(posedge clk_i) begin
      if (rst_ni) held_is_vector: assert (fold == '0 || x_q == vector_q);
    end
  end
  if (Folds > 1 && Vectors > 1) begin : gen_counts_folds
    assign inner_fold = gen_folds.gen_by_count.i_folds.gen_count.count_q;
    always_ff @(posedge clk_i) if (rst_ni) folds_as_counted: assert (inner_fold == fold);
  end

  if (BlockRom == 1 && !CUT) begin : gen_reads_block
    for (genvar d = 0; d < DEPTH; d++) begin : gen_word
      assign matrix[d*WeightBits+:WeightBits] = gen_block_rom.rom[d];
    end
    always_ff @(posedge clk_i) begin
      if (rst_ni) first_is_read: assert (!valid_q
          || gen_block_rom.read_q == weights_at_q[0+:WeightBits]);
    end
  end
  if (CUT) begin : gen_reads_pieces
    logic [BlockRom-1:0] first_is, second_is, chosen_is;
    logic [BlockRom-1:0] inside, inside_q, inside_qq;  // whether it is a word of that piece
    for (genvar n = 0; n < BlockRom; n++) begin : gen_piece
      localparam int unsigned BASE  = gen_cut_rom.gen_piece[n].BASE;
      localparam int unsigned WORDS = gen_cut_rom.gen_piece[n].WORDS;
      assign inside[n] = place_q >= PLACE_BITS'(BASE) && place_q < PLACE_BITS'(BASE + WORDS);
      localparam int unsigned SLICE = gen_cut_rom.gen_piece[n].SLICE;
      logic [WeightBits-1:0] reads;
      for (genvar b = 0; b < WeightBits; b += SLICE) begin : gen_slice
        localparam int unsigned WIDTH = WeightBits - b < SLICE ? WeightBits - b : SLICE;
        assign reads[b+:WIDTH] = gen_cut_rom.gen_piece[n].gen_slice[b].read_q;
        for (genvar d = 0; d < WORDS; d++) begin : gen_word
          assign matrix[(BASE+d)*WeightBits+b+:WIDTH]
              = gen_cut_rom.gen_piece[n].gen_slice[b].rom[d];
        end
      end
      assign first_is[n]  = !inside_q[n] || reads == weights_at_q[0+:WeightBits];
      assign second_is[n] = !inside_qq[n] || gen_cut_rom.pieces[n*WeightBits+:WeightBits]
          == weights_at_q[WeightBits+:WeightBits];
      assign chosen_is[n] = n == BlockRom - 1
          || ((!valid_q || gen_cut_rom.here_q[n] == inside_q[n])
              && (!valid_at[2] || gen_cut_rom.here_qq[n] == inside_qq[n]));
    end
    always_ff @(posedge clk_i) begin
      if (en_i) {inside_qq, inside_q} <= {inside_q, inside};
      if (rst_ni) begin
        pieces_are_read: assert ((!valid_q || &first_is) && (!valid_at[2] || &second_is));
        piece_is_chosen: assert (&chosen_is
            && (!valid_q || (inside_q != '0 && (inside_q & (inside_q - 1'b1)) == '0))
            && (!valid_at[2] || (inside_qq != '0 && (inside_qq & (inside_qq - 1'b1)) == '0)));
        late_is_kept:    assert (gen_cut_rom.valid_late_q[0] == valid_at[2]
            && gen_cut_rom.last_late_q[0] == last_at[2]
            && (!valid_at[2] || x_qq == x_at_q[WordBits+:WordBits]));
      end
    end
  end
  if (BlockRom == 0) begin : gen_reads_logic
    for (genvar d = 0; d < DEPTH; d++) begin : gen_word
      assign matrix[d*WeightBits+:WeightBits] = gen_logic_rom.rom[d];
    end
  end
