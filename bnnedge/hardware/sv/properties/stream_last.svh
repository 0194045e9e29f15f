  // The beats of a frame that went, for those who mark its last.
  logic [31:0] counted;
  if (Beats == 1) begin : gen_none
    assign counted = '0;
  end else begin : gen_some
    assign counted = 32'(gen_count.beat_q);
  end
