  // What a column counts in a row, and the total that the columns make.
  localparam int unsigned SUM_BITS     = TotalBits;
  localparam int unsigned SUM_START    = 0;
  localparam int unsigned COLUMN_BITS  = ElementBits;
  localparam int unsigned TOTAL_WIDTH  = TotalBits;
  localparam int unsigned RESULT_COUNT = $clog2(Groups * NF + 3);
  localparam int unsigned INNER_BITS   = TotalBits;
  logic [Pe*SUM_BITS-1:0]  summed;
  logic [8*INNER_BITS-1:0] inner_counts;  // in every stage of the first sum
  logic [7:0]              inner_came;
  assign inner_counts = gen_pe[0].i_sum.counts_at;
  assign inner_came   = gen_pe[0].i_sum.came_at;
  assign summed = total;
  function automatic logic [SUM_BITS-1:0] counts(input logic [ROW_BITS-1:0] row, input int column,
                                                 input logic [ElementBits-1:0] x);
    logic [SUM_BITS-1:0] term;
    term = SUM_BITS'($signed({Signed & x[ElementBits-1], x}));
    if (!row[column]) term = -term - 1'b1;
    counts = MagnitudeBits == 0 ? term : '0;
    for (int k = 0; k < MagnitudeBits; k++)
      if (row[Simd+column*MagnitudeBits+k]) counts = counts + (term << k);
  endfunction
  function automatic logic [TotalBits-1:0] specified(input logic [SUM_BITS-1:0] sum);
    specified = sum;
  endfunction
`include "mvu_rows.vh"
