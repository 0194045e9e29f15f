  // Words leave in the order in which they came, and none is lost: any word that comes is followed
  // until it leaves, behind exactly those that were there before it.
`ifdef FORMAL
  (* anyseq *) logic          follow;
`else
  logic follow;
  assign follow = 1'b1;
`endif
  logic                       comes, leaves, followed_q;
  logic [Width-1:0]           word_q;
  logic [$clog2(Depth+1)-1:0] count_q, ahead_q;
  assign comes  = in_valid_i & in_ready_o;
  assign leaves = out_valid_o & out_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q    <= '0;
      followed_q <= 1'b0;
    end else begin
      count_q <= count_q + $bits(count_q)'(comes) - $bits(count_q)'(leaves);
      if (!followed_q) begin
        followed_q <= comes & follow;
        word_q     <= in_data_i;
        ahead_q    <= count_q - $bits(count_q)'(leaves);
      end else if (leaves) begin
        followed_q <= ahead_q != '0;
        ahead_q    <= ahead_q - 1'b1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      count_is_bounded:   assert (count_q <= Depth);
      followed_is_within: assert (!followed_q || ahead_q < count_q);
      order_is_kept:
        assert (!followed_q || ahead_q != '0 || !out_valid_o || out_data_o == word_q);
      followed_leaves:    cover (followed_q && ahead_q == '0 && full_q && leaves);
    end
  end

  if (Depth == 2) begin : gen_registers_hold
    always_ff @(posedge clk_i) begin
      if (rst_ni) begin
        as_counted: assert (full_q == (count_q == Depth) && out_valid_o == (count_q != 0));
        tail_is_followed:
          assert (!followed_q || ahead_q == '0 || gen_registers.tail_q == word_q);
      end
    end
  end else begin : gen_memory_holds
    logic [PTR_BITS+1:0] taken, waiting, place, behind;  // words behind the memory, and in it
    assign waiting = count_q - taken;
    assign place   = gen_memory.read_q + ahead_q - taken;
    assign behind  = gen_memory.read_q + waiting;
    always_ff @(posedge clk_i) begin
      if (rst_ni) begin
        memory_as_counted:   assert (count_q >= taken && waiting <= WORDS
            && full_q == (waiting == WORDS) && gen_memory.empty_q == (waiting == 0));
        pointers_are_within:
          assert (gen_memory.read_q < WORDS && gen_memory.write_q < WORDS);
        pointers_as_counted:
          assert (gen_memory.write_q == (behind < WORDS ? behind : behind - WORDS));
        next_pointers_follow:
          assert (gen_memory.next_read_q
              == (gen_memory.read_q == PTR_BITS'(WORDS - 1) ? '0 : gen_memory.read_q + 1'b1)
              && gen_memory.next_write_q
              == (gen_memory.write_q == PTR_BITS'(WORDS - 1) ? '0 : gen_memory.write_q + 1'b1));
      end
    end
    if (Late) begin : gen_late_holds
      assign taken = gen_memory.gen_late.word_valid_q + gen_memory.gen_late.head_valid_q;
      always_ff @(posedge clk_i) begin
        if (rst_ni) begin
          word_is_followed: assert (!followed_q || ahead_q >= taken
              || (ahead_q == '0 && out_valid_o) || gen_memory.gen_late.word_q == word_q);
          late_is_followed: assert (!followed_q || ahead_q < taken
              || gen_memory.gen_late.memory[place < WORDS ? place : place - WORDS] == word_q);
        end
      end
    end else begin : gen_at_once_holds
      assign taken = '0;
      always_ff @(posedge clk_i) begin
        if (rst_ni) begin
          offered_as_counted: assert (out_valid_o == (count_q != 0));
          memory_is_followed: assert (!followed_q
              || gen_memory.gen_at_once.memory[place < WORDS ? place : place - WORDS] == word_q);
        end
      end
    end
  end
