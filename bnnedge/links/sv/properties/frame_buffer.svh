  // Stored words: each in its turn, round after round, as many as was asked for, and unchanged. What
  // is offered is held. play_i comes as vector_store gives it: when nothing is left to be taken.
  logic [PLACE_BITS:0] first_place, turn_q;
  logic [31:0]         left_q, left_to_read, rounds, stored_words;
  logic [7:0]          rounds_left;
  logic                was_waiting_q, taken, plays, offers_word, offers_out;
  logic [Width-1:0]    was_data_q;
  assign first_place = (PLACE_BITS + 1)'(Depth);
  assign taken       = out_valid_o & out_ready_i;
  assign rounds      = rounds_i == 8'd0 ? 32'd256 : 32'(rounds_i);

  initial assume (!rst_ni);
  always_comb assume (!(play_i && (playing_o || unread_q || read_q != committed_q)));
  always_comb assume (!commit_i && !discard_i && !write_valid_i);

  always_ff @(posedge clk_i) begin
    was_waiting_q <= rst_ni & out_valid_o & ~out_ready_i;
    was_data_q    <= out_data_o;
    if (!rst_ni) begin
      turn_q <= first_place;
      left_q <= '0;
    end else if (play_i) begin
      turn_q <= first_place;
      left_q <= rounds * StoredWords;
    end else if (taken) begin
      turn_q <= turn_q == (PLACE_BITS + 1)'(WORDS - 1) ? first_place : turn_q + 1'b1;
      left_q <= left_q - 1'b1;
    end
  end

  function automatic logic [PLACE_BITS:0] after(logic [PLACE_BITS:0] place_now, logic by_one);
    after = !by_one ? place_now
        : place_now == (PLACE_BITS + 1)'(WORDS - 1) ? (PLACE_BITS + 1)'(Depth) : place_now + 1'b1;
  endfunction

  // How it holds: words that wait come before those that are read.
  logic [PLACE_BITS:0] turn_of_word, turn_of_read;
  assign turn_of_word = after(turn_q, out_valid_q);
  assign turn_of_read = after(turn_of_word, word_valid_q);
  assign rounds_left  = gen_store.rounds_q - 8'd1;
  assign left_to_read = gen_store.stored_q
      ? 32'(rounds_left) * StoredWords + (WORDS - 32'(gen_store.place_q)) : 32'd0;

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      valid_is_held: assert (!was_waiting_q || out_valid_o);
      data_are_stable: assert (!was_waiting_q || out_data_o == was_data_q);
      as_many_as_asked: assert (turn_q >= first_place && turn_q < WORDS
          && left_q == left_to_read + 32'(word_valid_q) + 32'(out_valid_q));
      each_in_its_turn: assert (!out_valid_o || out_data_o == words[turn_q[PLACE_BITS-1:0]]);
      word_waits_in_turn: assert (!word_valid_q || word_q == words[turn_of_word[PLACE_BITS-1:0]]);
      none_of_frames: assert (read_q == committed_q && write_q == committed_q
          && next_q == (ADDRESS_BITS + 1)'(read_q + 1'b1) && unread_q == gen_store.stored_q);
      if (gen_store.stored_q) begin
        reads_in_turn: assert ((PLACE_BITS + 1)'(gen_store.place_q) == turn_of_read);
        last_is_known: assert (gen_store.last_word_q == (gen_store.place_q == WORDS - 1)
            && gen_store.last_round_q == (gen_store.rounds_q == 8'd1));
      end
      plays_twice: cover (playing_o && gen_store.rounds_q == 8'd1 && out_valid_o && !out_ready_i);
      ends: cover (taken && left_q == 32'd1);
    end
  end
