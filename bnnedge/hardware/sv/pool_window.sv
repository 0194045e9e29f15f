// Pools windows of any kind, overlapping ones above all: OR or AND of bits, sums or maxima of integers.
//
// Function    Elements, Lanes of them in a word, Channels / Lanes words in a pixel, pixels row by
//             row; one pixel comes out for every window. Padding is left out.
// Memories    see pool.
// Throughput  a frame takes the larger of its words in and its words out times the window's taps.
// Back-press. see line_buffer.
// Form        A line buffer whose groups are words gives all taps of a word in a row, so one word
//             of registers holds the partial result.
module pool_window #(
  parameter bit          Sum             = 1'b0,
  parameter bit          Max             = 1'b0,
  parameter bit          Signed          = 1'b0,
  parameter int unsigned ElementBits     = 1,
  parameter int unsigned ResultBits      = 1,
  parameter int unsigned Channels        = 8,
  parameter int unsigned Lanes           = 8,
  parameter int unsigned InHeight        = 4,
  parameter int unsigned InWidth         = 4,
  parameter int unsigned KernelHeight    = 3,
  parameter int unsigned KernelWidth     = 3,
  parameter int unsigned StrideHeight    = 2,
  parameter int unsigned StrideWidth     = 2,
  parameter int unsigned DilationHeight  = 1,
  parameter int unsigned DilationWidth   = 1,
  parameter int unsigned PadTop          = 1,
  parameter int unsigned PadLeft         = 1,
  parameter int unsigned PadBottom       = 1,
  parameter int unsigned PadRight        = 1,
  parameter int unsigned Depth           = 32,
  parameter bit          BlockRam        = 1'b0,
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
  localparam int unsigned WORDS     = Channels / Lanes;
  localparam int unsigned WORD_BITS = WORDS > 1 ? $clog2(WORDS) : 1;

  logic                         valid, ready, take, pad;
  logic [Lanes*ElementBits-1:0] data;

  line_buffer #(
    .Width         (Lanes * ElementBits),
    .PixelWords    (WORDS),
    .Groups        (WORDS),
    .InHeight      (InHeight),
    .InWidth       (InWidth),
    .KernelHeight  (KernelHeight),
    .KernelWidth   (KernelWidth),
    .StrideHeight  (StrideHeight),
    .StrideWidth   (StrideWidth),
    .DilationHeight(DilationHeight),
    .DilationWidth (DilationWidth),
    .PadTop        (PadTop),
    .PadLeft       (PadLeft),
    .PadBottom     (PadBottom),
    .PadRight      (PadRight),
    .Depth         (Depth),
    .BlockRam      (BlockRam)
  ) i_line_buffer (
    .clk_i,
    .rst_ni,
    .in_valid_i,
    .in_ready_o,
    .in_data_i,
    .out_valid_o(valid),
    .out_ready_i(ready),
    .out_data_o (data),
    .out_pad_o  (pad)
  );

  // ---- taps of a word
  logic last;
  loop_counter #(
    .Bound(KernelHeight * KernelWidth)
  ) i_taps (
    .clk_i, .rst_ni, .step_i(take), .last_o(last)
  );

  // ---- AND lanes
  logic [Lanes-1:0] conjunction;
  if (Sum || Max || ConjunctionFile == "") begin : gen_no_conjunction
    assign conjunction = '0;
  end else begin : gen_conjunction
    (* rom_style = "logic" *) logic [Lanes-1:0] rom[WORDS];
    logic [WORD_BITS-1:0] word_q;
    initial $readmemh(ConjunctionFile, rom);
    assign conjunction = rom[word_q];
    always_ff @(posedge clk_i) begin
      if (!rst_ni) word_q <= '0;
      else if (take && last) word_q <= word_q == WORD_BITS'(WORDS - 1) ? '0 : word_q + 1'b1;
    end
  end

  // ---- partial result
  logic                        kept_q, out_valid_q;
  logic [Lanes*ResultBits-1:0] partial_q, combined, result, out_q;

  pool_combine #(
    .Sum        (Sum),
    .Max        (Max),
    .Signed     (Signed),
    .Lanes      (Lanes),
    .ElementBits(ElementBits),
    .ResultBits (ResultBits)
  ) i_combine (
    .first_i      (~kept_q),
    .conjunction_i(conjunction),
    .kept_i       (partial_q),
    .data_i       (data),
    .result_o     (combined)
  );

  assign result = pad ? partial_q & {Lanes*ResultBits{kept_q}} : combined;  // 0: all is padding
  assign ready  = ~(last & out_valid_q & ~out_ready_i);
  assign take   = valid & ready;
  always_ff @(posedge clk_i) begin
    if (take && !pad) partial_q <= combined;
    if (take && last) out_q <= result;
    if (!rst_ni) begin
      kept_q      <= 1'b0;
      out_valid_q <= 1'b0;
    end else begin
      if (take) kept_q <= ~last & (kept_q | ~pad);
      out_valid_q <= (take & last) | (out_valid_q & ~out_ready_i);
    end
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
