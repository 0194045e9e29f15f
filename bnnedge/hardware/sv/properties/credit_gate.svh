  // Words that passed and have not come back, if none comes back that has not passed.
  logic [31:0] away_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) away_q <= '0;
    else away_q <= away_q + 32'(take) - 32'(back_i);
  end
`ifdef FORMAL
  initial assume (!rst_ni);
  always_comb assume (!rst_ni || !back_i || away_q != 0);
`endif
  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      rest_is_left:     assert (32'(left_q) + away_q == Credits && away_q <= Credits);
      ready_while_left: assert (ready_q == (left_q != '0));
      none_is_left:     cover (left_q == '0);
    end
  end
