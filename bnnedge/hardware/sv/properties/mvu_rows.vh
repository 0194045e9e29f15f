  // A row's sum is that of `counts` over the columns, and rows come in order, for all weights and
  // vectors: `earlier` are the columns of the words before a step's, `here` those of its own. [0] is
  // the step, [s] the one of s enabled clock cycles ago, [STEPS] is added to the accumulator.
  localparam int unsigned STAGES    = BlockRom == 0 ? 1  // of mvu_fold
      : BlockRom == 1 && SF * NF * Groups <= 2048 ? 2 : 3;
  localparam int unsigned STEPS     = STAGES + LATENCY;
  localparam int unsigned WORD_BITS = Simd * COLUMN_BITS;
  localparam int unsigned PLACES    = $clog2(SF * NF * Groups + 1);
  logic [SF*NF*Groups*Pe*ROW_BITS-1:0] matrix;
  logic [SF*WORD_BITS-1:0]          vector;
  logic [PLACES-1:0]                place, word;
  logic [STAGES:0]              fold_valid, fold_last;
  logic [STAGES*WORD_BITS-1:0] met;
  logic [STAGES*Pe*ROW_BITS-1:0] met_weights;
  logic [RESULT_COUNT-1:0]          result_fold;
  logic [STEPS:0]                   valid_at, last_at;
  logic [(STEPS+1)*PLACES-1:0]      place_at, place_next;  // next: of the next step that is valid
  logic [STEPS:1]                   place_follows;
  logic [Pe-1:0]                    met_is_here, next_follows, accumulated, added, row_is;
  assign matrix      = i_fold.matrix;
  assign vector      = i_fold.vector;
  assign place       = i_fold.place_q;
  assign word        = i_fold.word;
  assign fold_valid  = i_fold.valid_at;
  assign fold_last   = i_fold.last_at;
  assign met         = i_fold.x_at_q;
  assign met_weights = i_fold.weights_at_q;
  assign result_fold = i_result.fold_at;

  assign valid_at[STAGES:0] = fold_valid;
  assign last_at[STAGES:0]  = fold_last;
  assign place_at[0+:PLACES]    = place;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_at[STEPS:STAGES+1] <= '0;
      last_at[STEPS:STAGES+1]  <= '0;
    end else if (en) begin
      valid_at[STEPS:STAGES+1] <= valid_at[STEPS-1:STAGES];
      last_at[STEPS:STAGES+1]  <= last_at[STEPS-1:STAGES];
    end
    if (en) place_at[(STEPS+1)*PLACES-1:PLACES] <= place_at[STEPS*PLACES-1:0];
  end

  assign place_next[0+:PLACES] = place;
  for (genvar s = 1; s <= STEPS; s++) begin : gen_place
    logic [PLACES-1:0] here, behind;
    assign here   = place_at[s*PLACES+:PLACES];
    assign behind = place_next[(s-1)*PLACES+:PLACES];
    assign place_next[s*PLACES+:PLACES] = valid_at[s] ? here : behind;
    assign place_follows[s] = !valid_at[s] || (here < PLACES'(SF * NF * Groups)
        && behind == (here == PLACES'(SF * NF * Groups - 1) ? '0 : here + 1'b1)
        && last_at[s] == (here % PLACES'(SF) == PLACES'(SF - 1)));
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_row
    logic [(STEPS+1)*SUM_BITS-1:0] earlier, here, next;  // next: before the next step that is valid
    logic [SUM_BITS-1:0]           before_now, here_now;
    logic [STEPS:1]                follows;
    logic [STEPS:1]                met_here;
    always_comb begin
      before_now = '0;
      here_now   = '0;
      for (int c = 0; c < MatrixWidth; c++) begin
        if (c / Simd <= 32'(word)) begin
          if (c / Simd < 32'(word)) before_now = before_now
              + counts(matrix[((32'(place) - 32'(word) + c / Simd) * Pe + p) * ROW_BITS+:ROW_BITS],
                       c % Simd, vector[c*COLUMN_BITS+:COLUMN_BITS]);
          else here_now = here_now
              + counts(matrix[(32'(place) * Pe + p) * ROW_BITS+:ROW_BITS],
                       c % Simd, vector[c*COLUMN_BITS+:COLUMN_BITS]);
        end
      end
    end
    assign earlier[0+:SUM_BITS] = before_now;
    assign here[0+:SUM_BITS]   = here_now;
    assign next[0+:SUM_BITS]   = before_now;
    always_ff @(posedge clk_i) begin
      if (en) begin
        earlier[(STEPS+1)*SUM_BITS-1:SUM_BITS] <= earlier[STEPS*SUM_BITS-1:0];
        here[(STEPS+1)*SUM_BITS-1:SUM_BITS]   <= here[STEPS*SUM_BITS-1:0];
      end
    end
    for (genvar s = 1; s <= STEPS; s++) begin : gen_step
      assign next[s*SUM_BITS+:SUM_BITS] = valid_at[s] ? earlier[s*SUM_BITS+:SUM_BITS]
          : next[(s-1)*SUM_BITS+:SUM_BITS];
      assign follows[s] = !valid_at[s] || next[(s-1)*SUM_BITS+:SUM_BITS]
          == (last_at[s] ? '0 : earlier[s*SUM_BITS+:SUM_BITS] + here[s*SUM_BITS+:SUM_BITS]);
    end
    for (genvar s = 1; s <= STAGES; s++) begin : gen_met
      logic [SUM_BITS-1:0] sum;
      always_comb begin
        sum = '0;
        for (int c = 0; c < Simd; c++) sum = sum + counts(met_weights[((s-1)*Pe+p)*ROW_BITS+:ROW_BITS], c,
            met[(s-1)*WORD_BITS+c*COLUMN_BITS+:COLUMN_BITS]);
      end
      assign met_here[s] = !valid_at[s] || here[s*SUM_BITS+:SUM_BITS] == sum;
    end
    for (genvar s = STAGES + 1; s <= STEPS; s++) begin : gen_counted
      localparam int unsigned STAGE = s - STAGES - 1;
      assign met_here[s] = Pe > 1 || STEPS == STAGES + 1 || !valid_at[s] || (inner_came[STAGE]
          && here[s*SUM_BITS+:SUM_BITS] == SUM_BITS'(inner_counts[STAGE*INNER_BITS+:INNER_BITS]));
    end
    assign next_follows[p] = &follows;
    assign met_is_here[p]  = &met_here;
    assign accumulated[p]  = gen_pe[p].acc == SUM_BITS'(SUM_START + next[STEPS*SUM_BITS+:SUM_BITS]);
    assign added[p]        = !valid_at[STEPS] || summed[p*SUM_BITS+:SUM_BITS]
        == SUM_BITS'(gen_pe[p].acc + here[STEPS*SUM_BITS+:SUM_BITS]);
    assign row_is[p]       = !last_at[STEPS] || total[p*TOTAL_WIDTH+:TOTAL_WIDTH]
        == specified(earlier[STEPS*SUM_BITS+:SUM_BITS] + here[STEPS*SUM_BITS+:SUM_BITS]);
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      steps_as_counted: assert (valid_q == valid_at[STEPS:STEPS-LATENCY]
                                && done_q == last_at[STEPS:STEPS-LATENCY]
                                && (last_at & ~valid_at) == '0);
      rows_in_order:    assert (&place_follows && (SF == 1 || (last_at & (last_at << 1)) == '0)
                                && 32'(result_fold)
                                == 32'(place_next[STEPS*PLACES+:PLACES]) / SF);
      sums_so_far:      assert (&next_follows && &accumulated);
      step_is_added:    assert (&met_is_here && &added);
      total_is_its_row: assert (&row_is);
      rows_follow:      cover (last_at[STEPS] && en && place_next[(STEPS-1)*PLACES+:PLACES] == '0);
    end
  end
