// Pools windows that do not overlap: OR or AND of bits, sums or maxima of integers.
//
// Function    Elements, Lanes of them in a word, Channels / Lanes words in a pixel, pixels row by
//             row; one pixel comes out for every window, once its last pixel inside the feature map
//             has come. Padding is left out. Strides are at least as large as the kernel, and a
//             window begins less than a stride before the feature map.
// Memories    ConjunctionFile, for bits: word c, bit l: AND instead of OR for channel c·Lanes + l.
// Throughput  one input word per cycle. Latency: 1 cycle from a window's last word.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        A window's partial result is kept for every output column, in one line of LUT RAM;
//             that is less than the lines of a sliding window, of which it would be a reduction.
// Cost        2x2 over 28x28x64 bits, 32 lanes, ECP5 placed and routed: 261 LUT4, 72 FF, 166 MHz.
module pool #(
  parameter bit          Sum             = 1'b0,
  parameter bit          Max             = 1'b0,
  parameter bit          Signed          = 1'b0,
  parameter int unsigned ElementBits     = 1,
  parameter int unsigned ResultBits      = 1,
  parameter int unsigned Channels        = 8,
  parameter int unsigned Lanes           = 8,
  parameter int unsigned InHeight        = 4,
  parameter int unsigned InWidth         = 4,
  parameter int unsigned KernelHeight    = 2,
  parameter int unsigned KernelWidth     = 2,
  parameter int unsigned StrideHeight    = 2,
  parameter int unsigned StrideWidth     = 2,
  parameter int unsigned PadTop          = 0,
  parameter int unsigned PadLeft         = 0,
  parameter int unsigned OutHeight       = 2,
  parameter int unsigned OutWidth        = 2,
  parameter              ConjunctionFile = ""
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  input  logic                         in_valid_i,
  output logic                         in_ready_o,
  input  logic [Lanes*ElementBits-1:0] in_data_i,
  output logic                         out_valid_o,
  input  logic                         out_ready_i,
  output logic [Lanes*ResultBits-1:0]  out_data_o
);
  localparam int unsigned WORDS      = Channels / Lanes;
  localparam int unsigned WORD_BITS  = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int unsigned DEPTH      = OutWidth * WORDS;
  localparam int unsigned ADDR_BITS  = DEPTH > 1 ? $clog2(DEPTH) : 1;

  if (WORDS * Lanes != Channels) begin : gen_bad_lanes
    $error("pool: Lanes must divide Channels");
  end
  if (KernelHeight > StrideHeight || KernelWidth > StrideWidth || PadTop >= StrideHeight
      || PadLeft >= StrideWidth) begin : gen_bad_window
    $error("pool: windows overlap, or padding reaches over a stride");
  end

  logic take, word_last, column_end, line_end;
  logic [WORD_BITS-1:0] word_q;
  logic [ADDR_BITS-1:0] addr_q;  // output column · WORDS + word; of no use behind the last window

  assign take       = in_valid_i & in_ready_o;
  assign word_last  = word_q == WORD_BITS'(WORDS - 1);
  assign column_end = take & word_last;

  logic row_first, row_last, row_inside, column_first, column_last, column_inside, column_next;
  logic unused;
  pool_axis #(
    .Size   (InWidth),
    .Kernel (KernelWidth),
    .Stride (StrideWidth),
    .Pad    (PadLeft),
    .Windows(OutWidth)
  ) i_columns (
    .clk_i, .rst_ni, .step_i(column_end), .first_o(column_first), .last_o(column_last),
    .inside_o(column_inside), .next_o(column_next), .end_o(line_end)
  );
  logic row_next, frame_end;
  pool_axis #(
    .Size   (InHeight),
    .Kernel (KernelHeight),
    .Stride (StrideHeight),
    .Pad    (PadTop),
    .Windows(OutHeight)
  ) i_rows (
    .clk_i, .rst_ni, .step_i(column_end & line_end), .first_o(row_first), .last_o(row_last),
    .inside_o(row_inside), .next_o(row_next), .end_o(frame_end)
  );
  assign unused = row_next & frame_end;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      word_q <= '0;
      addr_q <= '0;
    end else if (take) begin
      word_q <= word_last ? '0 : word_q + 1'b1;
      if (!word_last || column_next) addr_q <= word_last && line_end ? '0 : addr_q + 1'b1;
      else addr_q <= line_end ? '0 : addr_q - ADDR_BITS'(WORDS - 1);
    end
  end

  // ---- AND lanes
  logic [Lanes-1:0] conjunction;
  if (Sum || Max || ConjunctionFile == "") begin : gen_no_conjunction
    assign conjunction = '0;
  end else begin : gen_conjunction
    (* rom_style = "logic" *) logic [Lanes-1:0] rom[WORDS];
    initial $readmemh(ConjunctionFile, rom);
    assign conjunction = rom[word_q];
  end

  // ---- partial results, one for every output column and word
  logic                        pooled, complete, out_valid_q;
  logic [Lanes*ResultBits-1:0] kept, result, out_q;
  (* ram_style = "distributed" *) logic [Lanes*ResultBits-1:0] partial[DEPTH];

  assign pooled   = row_inside & column_inside;
  assign complete = pooled & row_last & column_last;
  assign kept     = partial[addr_q];

  pool_combine #(
    .Sum        (Sum),
    .Max        (Max),
    .Signed     (Signed),
    .Lanes      (Lanes),
    .ElementBits(ElementBits),
    .ResultBits (ResultBits)
  ) i_combine (
    .first_i      (row_first & column_first),
    .conjunction_i(conjunction),
    .kept_i       (kept),
    .data_i       (in_data_i),
    .result_o     (result)
  );

  assign in_ready_o = ~(complete & out_valid_q & ~out_ready_i);
  always_ff @(posedge clk_i) begin
    if (take && pooled) partial[addr_q] <= result;
    if (take && complete) out_q <= result;
    if (!rst_ni) out_valid_q <= 1'b0;
    else out_valid_q <= (take & complete) | (out_valid_q & ~out_ready_i);
  end
  assign out_valid_o = out_valid_q;
  assign out_data_o  = out_q;

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Lanes * ElementBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(Lanes * ResultBits)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
