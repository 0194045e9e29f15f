  // What a column counts in a row, and the total that the columns make.
  localparam int unsigned SUM_BITS     = COUNT_BITS;
  localparam int unsigned SUM_START    = 32'(START);
  localparam int unsigned COLUMN_BITS  = 1;
  localparam int unsigned TOTAL_WIDTH  = TOTAL_BITS;
  localparam int unsigned RESULT_COUNT = $clog2(Groups * NF + OutHeight + OutWidth + 1);
  localparam int unsigned INNER_BITS   = $clog2(Simd + 1) + 2;
  logic [Pe*SUM_BITS-1:0]  summed;
  logic [8*INNER_BITS-1:0] inner_counts;  // in every stage of the first sum
  logic [7:0]              inner_came;
  assign inner_counts = gen_pe[0].i_popcount.counts_at;
  assign inner_came   = gen_pe[0].i_popcount.came_at;
  for (genvar p = 0; p < Pe; p++) begin : gen_summed
    assign summed[p*SUM_BITS+:SUM_BITS] = gen_pe[p].count;
  end
  function automatic logic [SUM_BITS-1:0] counts(input logic [ROW_BITS-1:0] row, input int column,
                                                 input logic x);
    counts = SUM_BITS'(row[column] == x);
    for (int k = 0; k < 32'(Masked); k++)
      if (!row[Simd+column]) counts = '0;
  endfunction
  function automatic logic [TOTAL_BITS-1:0] specified(input logic [SUM_BITS-1:0] agreements);
    specified = Thresholded ? TOTAL_BITS'(agreements)
        : TOTAL_BITS'(2 * int'(agreements) - int'(MatrixWidth));
  endfunction
`include "mvu_rows.vh"
