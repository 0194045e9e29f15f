  // Result r of a frame is the element behind which there are r in the order: by falling value, and
  // by rising index among equals. `seen_q` are the frame's elements so far, without the latest.
  localparam int unsigned PLACES = $clog2(Elements + 1);
  logic [Elements*ElementBits-1:0] seen_q;
  logic [PLACES-1:0]               count_q, given_q;
  logic [K*INDEX_BITS-1:0]         wanted, wanted_q;
  logic                            waits_q, came_q, complete_q;
  logic [ElementBits-1:0]          latest_q;

  // ---- the elements so far, in their order
  always_comb begin
    wanted = '0;
    for (int e = 0; e < Elements; e++) begin
      logic [PLACES-1:0] earlier;
      earlier = '0;
      for (int o = 0; o < Elements; o++) begin
        if (o < count_q && ($signed(seen_q[o*ElementBits+:ElementBits])
                > $signed(seen_q[e*ElementBits+:ElementBits])
              || (o < e && seen_q[o*ElementBits+:ElementBits]
                == seen_q[e*ElementBits+:ElementBits])))
          earlier = earlier + 1'b1;
      end
      for (int r = 0; r < K; r++) begin
        if (e < count_q && earlier == r) wanted[r*INDEX_BITS+:INDEX_BITS] = INDEX_BITS'(e);
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q    <= '0;
      waits_q    <= 1'b0;
      came_q     <= 1'b0;
      complete_q <= 1'b0;
    end else begin
      if (en && valid_q) count_q <= count_q == Elements ? PLACES'(1) : count_q + 1'b1;
      if (in_ready_o) begin
        came_q     <= in_valid_i;
        complete_q <= came_q && count_q % Elements == Elements - 1;
      end
      if (en && whole_q) waits_q <= 1'b1;
      else if (out_ready_i && given_q == K - 1) waits_q <= 1'b0;
    end
    if (in_ready_o) latest_q <= in_data_i;
    if (en && valid_q) begin
      if (count_q == Elements) seen_q[0+:ElementBits] <= value_q;
      else seen_q[count_q*ElementBits+:ElementBits] <= value_q;
    end
    if (en && whole_q) begin
      wanted_q <= wanted;
      given_q  <= '0;
    end else if (waits_q && out_ready_i) begin
      given_q <= given_q + 1'b1;
    end
  end

  logic [K-1:0] in_order, filled, moves_on, left;
  for (genvar i = 0; i < K; i++) begin : gen_place_is
    logic [INDEX_BITS-1:0] here;
    assign here = wanted[i*INDEX_BITS+:INDEX_BITS];
    assign in_order[i] = i >= count_q || (gen_place[i].best_index_q == here
        && gen_place[i].best_q == seen_q[here*ElementBits+:ElementBits]);
    assign filled[i] = count_q == '0 || gen_place[i].filled_q == (i < count_q);
    assign moves_on[i] = !waits_q || i + given_q >= K
        || gen_place[i].out_q == wanted_q[(i+given_q)*INDEX_BITS+:INDEX_BITS];
    assign left[i] = left_q[i] == (waits_q && i + given_q < K);
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      places_in_order:   assert (&in_order);
      filled_as_counted: assert (&filled);
      row_moves_on:      assert (&moves_on);
      left_as_given:     assert (&left);
      count_as_index:    assert (count_q <= Elements
          && index_q == (count_q == Elements ? '0 : INDEX_BITS'(count_q))
          && first_q == (count_q == '0 || count_q == Elements));
      latest_as_came:    assert (valid_q == came_q && (!came_q || value_q == latest_q));
      whole_as_counted:  assert (whole_q == complete_q && (!whole_q || count_q == Elements));
      waits_for_room:    assert (in_ready_o
          == !(whole_q && waits_q && !(out_ready_i && given_q == K - 1)));
      leaves_in_order:   assert (!out_valid_o
          || out_data_o == wanted_q[given_q*INDEX_BITS+:INDEX_BITS]);
      offered_till_left: assert (out_valid_o == waits_q && (!waits_q || given_q < K));
      last_leaves:       cover (waits_q && out_ready_i && given_q == K - 1);
      tie:               cover (whole_q && seen_q[0+:ElementBits]
          == seen_q[ElementBits+:ElementBits]);
    end
  end
