  // The steps of a turn, for those who have a loop.
  localparam int unsigned COUNTED_BITS = $clog2(Bound + 1);
  logic [COUNTED_BITS-1:0] counted;
  if (Bound == 1) begin : gen_none
    assign counted = '0;
  end else begin : gen_some
    assign counted = COUNTED_BITS'(gen_count.count_q);
  end
