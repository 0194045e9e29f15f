  // The words of the pixels from row Top and column Left on pass, the others are dropped: `place_q`
  // is a word's number in its frame.
  localparam int unsigned FRAME_WORDS = Height * Width * PixelWords;
  localparam int unsigned PLACE_BITS  = $clog2(FRAME_WORDS + 1);
  logic [PLACE_BITS-1:0] place_q;
  logic                  kept;
  assign kept = place_q / PLACE_BITS'(Width * PixelWords) >= PLACE_BITS'(Top)
      && place_q / PLACE_BITS'(PixelWords) % PLACE_BITS'(Width) >= PLACE_BITS'(Left);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) place_q <= '0;
    else if (in_valid_i && in_ready_o)
      place_q <= place_q == PLACE_BITS'(FRAME_WORDS - 1) ? '0 : place_q + 1'b1;
  end

  logic [(Height > 1 ? $clog2(Height) : 1)-1:0] inner_row;
  logic [(Width > 1 ? $clog2(Width) : 1)-1:0]   inner_column;
  logic [$clog2(PixelWords+1)-1:0]              inner_word;
  assign inner_row = i_rows.position_q;
  assign inner_column = i_columns.position_q;
  assign inner_word = i_words.counted;

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      counters_are_within: assert (inner_row < Height && inner_column < Width
                                   && inner_word < PixelWords);
      place_as_counted:    assert (place_q == PLACE_BITS'(inner_word)
          + PLACE_BITS'(PixelWords) * (PLACE_BITS'(inner_column)
          + PLACE_BITS'(Width) * PLACE_BITS'(inner_row)));
      passes_what_is_kept: assert (out_valid_o == (in_valid_i & kept));
      takes_what_is_not:   assert (in_ready_o == (out_ready_i | ~kept));
      data_are_input:      assert (out_data_o == in_data_i);
      last_word_passes:    cover (out_valid_o && out_ready_i
                                  && place_q == PLACE_BITS'(FRAME_WORDS - 1));
    end
  end
