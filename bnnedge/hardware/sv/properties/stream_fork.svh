  // Every word goes to each output exactly once: what each has had of the word that waits.
  logic had0_q, had1_q, gives0, gives1;
  assign gives0 = out0_valid_o & out0_ready_i;
  assign gives1 = out1_valid_o & out1_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      had0_q <= 1'b0;
      had1_q <= 1'b0;
    end else begin
      had0_q <= (had0_q | gives0) & ~(in_valid_i & in_ready_o);
      had1_q <= (had1_q | gives1) & ~(in_valid_i & in_ready_o);
    end
  end

  always_ff @(posedge clk_i) begin
    if (rst_ni) begin
      had_as_done:      assert (done0_q == had0_q && done1_q == had1_q);
      had_waits:        assert (!(had0_q || had1_q) || in_valid_i);
      never_twice:      assert (!(gives0 && had0_q) && !(gives1 && had1_q));
      taken_once_had:   assert (!(in_valid_i && in_ready_o)
                                || ((had0_q | gives0) && (had1_q | gives1)));
      offered_till_had: assert (!in_valid_i
                                || (out0_valid_o == !had0_q && out1_valid_o == !had1_q));
      data_are_input:   assert (out0_data_o == in_data_i && out1_data_o == in_data_i);
      first_then_second: cover (had0_q && in_ready_o);
      second_then_first: cover (had1_q && in_ready_o);
    end
  end
