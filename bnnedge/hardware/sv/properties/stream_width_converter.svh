  // Bit `place` of a frame leaves as it came, and those behind the frame's last one as 0: any bit is
  // followed, by the beats that came and left.
  localparam int unsigned PLACES     = OUT_BEATS * OutBits;
  localparam int unsigned PLACE_BITS = $clog2((PLACES > IN_BEATS * InBits ? PLACES : IN_BEATS * InBits)
                                              + CAPACITY * UNIT + 1) + 1;
`ifdef FORMAL
  (* anyconst *) logic [PLACE_BITS-1:0] place;
  (* anyseq *)   logic                  follow;
`else
  logic [PLACE_BITS-1:0] place;
  assign place = PLACE_BITS'(FrameBits - 1);
  logic follow;
  assign follow = 1'b1;
`endif
  logic [PLACE_BITS-1:0] came_q, left_q;  // bits of a frame
  logic [PLACE_BITS-1:0] in_at, out_at;
  logic                  comes, leaves, comes_here, leaves_here;
  logic                  behind_q, followed_q, bit_q;  // behind: a frame has come whole
  assign comes  = in_valid_i & in_ready_o;
  assign leaves = out_valid_o & out_ready_i;
  assign in_at  = place - came_q;
  assign out_at = place - left_q;
  assign comes_here  = comes && follow && place < FrameBits && in_at < PLACE_BITS'(InBits);
  assign leaves_here = leaves && out_at < PLACE_BITS'(OutBits);
`ifdef FORMAL
  always_comb assume (place < PLACES);
`endif

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      came_q     <= '0;
      left_q     <= '0;
      behind_q   <= 1'b0;
      followed_q <= 1'b0;
    end else begin
      if (comes) came_q <= came_q == PLACE_BITS'((IN_BEATS - 1) * InBits) ? '0
          : came_q + PLACE_BITS'(InBits);
      if (leaves) left_q <= left_q == PLACE_BITS'(PLACES - OutBits) ? '0
          : left_q + PLACE_BITS'(OutBits);
      if (comes && came_q == PLACE_BITS'((IN_BEATS - 1) * InBits)) behind_q <= 1'b1;
      else if (leaves && left_q == PLACE_BITS'(PLACES - OutBits)) behind_q <= 1'b0;
      if (comes_here) followed_q <= 1'b1;
      else if (leaves_here) followed_q <= 1'b0;
    end
    if (comes_here) bit_q <= in_data_i[in_at];
  end

  logic [PLACE_BITS-1:0] fill;  // units
  assign fill = PLACE_BITS'(at_q) + (out_valid_q ? PLACE_BITS'(OUT_UNITS) : '0);

  logic [$clog2(IN_BEATS + 1)-1:0] beat;
  assign beat = i_beats.counted;

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      beats_as_counted:  assert (came_q == PLACE_BITS'(beat) * InBits);
      behind_is_whole:   assert (!behind_q || came_q == '0);
      fill_as_counted:   assert (came_q <= PLACE_BITS'((IN_BEATS - 1) * InBits)
          && left_q <= PLACE_BITS'(PLACES - OutBits) && left_q % PLACE_BITS'(OutBits) == '0
          && fill * UNIT == (behind_q ? PLACE_BITS'(PLACES) : '0) + came_q - left_q);
      offered_if_whole:  assert (out_valid_o == ((behind_q ? PLACE_BITS'(PLACES) : '0) + came_q - left_q
                                                  >= PLACE_BITS'(OutBits)));
      two_if_two:        assert (two_q == (out_valid_q && at_q >= OUT_UNITS)
                                 && (out_valid_q || at_q < OUT_UNITS));
      within_buffer:     assert (fill <= PLACE_BITS'(CAPACITY));
      whole_at_the_end:  assert (!behind_q || fill <= PLACE_BITS'(LAST_AT + LAST_UNITS));
      followed_is_kept:  assert (!followed_q || (out_at < fill * UNIT
                                                 && buffer_q[out_at] == bit_q));
      left_before_next:  assert (!(comes_here && followed_q) || leaves_here);
      leaves_as_it_came: assert (!(followed_q && out_valid_o && out_at < PLACE_BITS'(OutBits))
                                 || out_data_o[out_at] == bit_q);
      behind_is_zero:    assert (!(out_valid_o && place >= FrameBits
                                   && out_at < PLACE_BITS'(OutBits))
                                 || out_data_o[out_at] == 1'b0);
      padding_is_zero:   assert (!(behind_q && place >= FrameBits && out_at < fill * UNIT)
                                 || buffer_q[out_at] == 1'b0);
      followed_leaves:   cover (followed_q && leaves_here);
    end
  end

  // Every source of a unit is taken, and the buffer is filled.
  for (genvar position = 0; position < OUT_UNITS; position++) begin : gen_position
    if (REACHED[IN_UNITS+position]) begin : gen_reached
      always_ff @(posedge clk_i) cover (rst_ni && take && at_q == position);
    end
  end
  always_ff @(posedge clk_i) buffer_filled: cover (rst_ni && fill == CAPACITY);
