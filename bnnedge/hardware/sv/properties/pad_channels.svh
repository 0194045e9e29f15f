  // A pixel leaves as BeforeWords of Fill, its own words in order, AfterWords of Fill: `place_q` is
  // the number in its pixel of the word that leaves next; a word that came waits until it leaves.
  logic [WORD_BITS-1:0] place_q;
  logic                 comes, leaves, own, waits_q;
  logic [WIDTH-1:0]     word;
  logic [WIDTH-1:0]     came_q;
  assign comes  = in_valid_i & in_ready_o;
  assign leaves = out_valid_o & out_ready_i;
  assign own    = place_q >= BeforeWords && place_q < BeforeWords + InWords;
  assign word   = own ? came_q : {Lanes{ElementBits'(Fill)}};
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      place_q <= '0;
      waits_q <= 1'b0;
    end else begin
      waits_q <= comes | (waits_q & ~(leaves & own));
      if (leaves) place_q <= place_q == WORD_BITS'(WORDS - 1) ? '0 : place_q + 1'b1;
    end
    if (comes) came_q <= in_data_i;
  end

  logic [WORD_BITS:0] next;
  assign next = place_q + out_valid_o;
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      place_as_counted: assert (place_q < WORDS && word_q == (next == WORDS ? 0 : next));
      waits_if_own:     assert (waits_q == (out_valid_o & own));
      none_is_lost:     assert (!(comes && waits_q && !leaves));
      leaves_in_order:  assert (!out_valid_o || out_data_o == word);
      last_word_leaves: cover (leaves && place_q == WORD_BITS'(WORDS - 1));
    end
  end
