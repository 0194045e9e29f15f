  // What a column counts in a row, and the total that the columns make.
  localparam int unsigned SUM_BITS     = TotalBits;
  localparam int unsigned SUM_START    = 0;
  localparam int unsigned COLUMN_BITS  = ElementBits;
  localparam int unsigned TOTAL_WIDTH  = TotalBits;
  localparam int unsigned RESULT_COUNT = $clog2(Groups * NF + 3);
  logic [Pe*SUM_BITS-1:0] summed;
  assign summed = total;
  function automatic logic [SUM_BITS-1:0] counts(input logic weight,
                                                 input logic [ElementBits-1:0] x);
    counts = SUM_BITS'($signed({Signed & x[ElementBits-1], x}));
    if (!weight) counts = -counts - 1'b1;
  endfunction
  function automatic logic [TotalBits-1:0] specified(input logic [SUM_BITS-1:0] sum);
    specified = sum;
  endfunction
`include "mvu_rows.vh"
