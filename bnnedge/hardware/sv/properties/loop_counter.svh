  // The steps of a turn, for those who have a loop.
  localparam int unsigned COUNTED_BITS = $clog2(Bound + 1);
  logic [COUNTED_BITS-1:0] counted;
  if (Bound == 1) begin : gen_none
    assign counted = '0;
  end else begin : gen_some
    assign counted = COUNTED_BITS'(gen_count.count_q);
  end
`ifdef FORMAL
  initial assume (!rst_ni);
`endif
  always_ff @(posedge clk_i) begin
    if (rst_ni) last_as_counted: assert (counted < COUNTED_BITS'(Bound)
                                         && last_o == (counted == COUNTED_BITS'(Bound - 1)));
    steps: cover (rst_ni && step_i);
  end
