  // A pixel leaves as AWords words of a, then BWords words of b, each in order: `place_q` is the
  // number in its pixel of the word that leaves next; a word that came waits until it leaves.
  logic [WORD_BITS-1:0] place_q;
  logic                 comes_a, comes_b, leaves, of_b, waits_a_q, waits_b_q;
  logic [Width-1:0]     came_a_q, came_b_q;
  assign comes_a = a_valid_i & a_ready_o;
  assign comes_b = b_valid_i & b_ready_o;
  assign leaves  = out_valid_o & out_ready_i;
  assign of_b    = place_q >= AWords;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      place_q   <= '0;
      waits_a_q <= 1'b0;
      waits_b_q <= 1'b0;
    end else begin
      waits_a_q <= comes_a | (waits_a_q & ~(leaves & ~of_b));
      waits_b_q <= comes_b | (waits_b_q & ~(leaves & of_b));
      if (leaves) place_q <= place_q == WORD_BITS'(WORDS - 1) ? '0 : place_q + 1'b1;
    end
    if (comes_a) came_a_q <= a_data_i;
    if (comes_b) came_b_q <= b_data_i;
  end

  logic [WORD_BITS:0] next;
  assign next = place_q + out_valid_o;
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      place_as_counted: assert (place_q < WORDS && word_q == (next == WORDS ? 0 : next));
      waits_if_own:     assert (waits_a_q == (out_valid_o & ~of_b)
                                && waits_b_q == (out_valid_o & of_b));
      none_is_lost:     assert (!(comes_a && waits_a_q && !leaves)
                                && !(comes_b && waits_b_q && !leaves));
      leaves_in_order:  assert (!out_valid_o || out_data_o == (of_b ? came_b_q : came_a_q));
      last_word_leaves: cover (leaves && place_q == WORD_BITS'(WORDS - 1));
    end
  end
