  // A result is the first largest of its frame's elements, one by one: `beats_q` are the beats that
  // came, as they are in the tree, the latest in the low bits.
  localparam int unsigned BEAT = Pe * ElementBits;
  logic [(LEVELS+1)*BEAT-1:0] beats_q;
  logic [ElementBits-1:0]     most, most_q;
  logic [INDEX_BITS-1:0]      where, where_q, wanted_q;
  logic [BEAT_BITS-1:0]       beat_count_q;
  logic                       complete, waits_q;
  logic [LEVELS:0]            came_q, valids;  // whether there is a beat

  assign complete = en && valid && beat_count_q == BEAT_BITS'(BEATS - 1);
  always_comb begin
    most  = most_q;
    where = where_q;
    for (int e = 0; e < Pe; e++) begin
      if ((beat_count_q == '0 && e == 0)
          || $signed(beats_q[LEVELS*BEAT+e*ElementBits+:ElementBits]) > $signed(most)) begin
        most  = beats_q[LEVELS*BEAT+e*ElementBits+:ElementBits];
        where = INDEX_BITS'(beat_count_q * Pe + e);
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (en) beats_q <= {beats_q, in_data_i};
    if (!rst_ni) begin
      beat_count_q <= '0;
      waits_q      <= 1'b0;
      came_q       <= '0;
    end else begin
      if (en && valid) beat_count_q <= complete ? '0 : beat_count_q + 1'b1;
      waits_q <= complete | (waits_q & ~out_ready_i);
      if (en) came_q <= {came_q, in_valid_i};
    end
    if (en && valid) begin
      most_q  <= most;
      where_q <= where;
    end
    if (complete) wanted_q <= where;
  end

  logic [(LEVELS+1)*Pe-1:0] node_is;
  for (genvar l = 0; l <= LEVELS; l++) begin : gen_level_is
    assign valids[l] = gen_level[l].valid_q;
    for (genvar n = (Pe + (1 << l) - 1) >> l; n < Pe; n++) begin : gen_no_node
      assign node_is[l*Pe+n] = 1'b1;
    end
    for (genvar n = 0; n < (Pe + (1 << l) - 1) >> l; n++) begin : gen_node_is
      logic [ElementBits-1:0] best;
      logic [LANE_BITS-1:0]   best_lane;
      always_comb begin
        best      = beats_q[l*BEAT+(n<<l)*ElementBits+:ElementBits];
        best_lane = LANE_BITS'(n << l);
        for (int e = (n << l) + 1; e < ((n + 1) << l) && e < Pe; e++) begin
          if ($signed(beats_q[l*BEAT+e*ElementBits+:ElementBits]) > $signed(best)) begin
            best      = beats_q[l*BEAT+e*ElementBits+:ElementBits];
            best_lane = LANE_BITS'(e);
          end
        end
      end
      assign node_is[l*Pe+n] = !gen_level[l].valid_q
          || gen_level[l].node_q[n*NODE_BITS+:NODE_BITS] == {best_lane, best};
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      beats_as_counted: assert (beat_q == beat_count_q && beat_q < BEATS);
      valid_as_came:    assert (valids == came_q);
      node_is_largest:  assert (&node_is);
      best_is_largest:  assert (beat_q == '0 || (best_q == most_q && index_q == where_q));
      waits_to_leave:   assert (out_valid_o == waits_q);
      none_is_lost:     assert (!(complete && waits_q && !out_ready_i));
      waits_for_room:   assert (in_ready_o == !(valid && beat_count_q == BEATS - 1
                                                && waits_q && !out_ready_i));
      first_largest:    assert (!waits_q || out_data_o == wanted_q);
      tie:              cover (complete && beat_count_q != '0 && value == most_q);
      follows_at_once:  cover (complete && waits_q);
    end
  end
