// Sliding window (im2col): a feature map in, one vector of the window's pixels per output pixel.
//
// Function    Elements of ElementBits bits, Simd of them in a word, Channels / Simd words in a pixel,
//             pixels row by row. For every output pixel, row by row, the elements of its window
//             leave in the order [group][tap row][tap column][channel in group]; padding is Fill.
// Throughput, latency, back-pressure and form: see line_buffer.
// Bit order   channel 0 in the low bits of the first word.
// Cost        3x3 over 30x30x64 bits, 32 channels a word, ECP5 placed and routed: 116 LUT4, 91 FF,
//             1 DP16KD, 146 MHz.
module sliding_window #(
  parameter int unsigned ElementBits    = 1,
  parameter int unsigned Channels       = 8,
  parameter int unsigned Simd           = 8,
  parameter int unsigned Groups         = 1,
  parameter int unsigned InHeight       = 4,
  parameter int unsigned InWidth        = 4,
  parameter int unsigned KernelHeight   = 3,
  parameter int unsigned KernelWidth    = 3,
  parameter int unsigned StrideHeight   = 1,
  parameter int unsigned StrideWidth    = 1,
  parameter int unsigned DilationHeight = 1,
  parameter int unsigned DilationWidth  = 1,
  parameter int unsigned PadTop         = 0,
  parameter int unsigned PadLeft        = 0,
  parameter int unsigned PadBottom      = 0,
  parameter int unsigned PadRight       = 0,
  parameter int unsigned Fill           = 0,
  parameter int unsigned Depth          = 32,
  parameter bit          BlockRam       = 1'b0
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        in_valid_i,
  output logic                        in_ready_o,
  input  logic [Simd*ElementBits-1:0] in_data_i,
  output logic                        out_valid_o,
  input  logic                        out_ready_i,
  output logic [Simd*ElementBits-1:0] out_data_o
);
  logic                        pad;
  logic [Simd*ElementBits-1:0] data;

  if (Channels % (Simd * Groups) != 0) begin : gen_bad_simd
    $error("sliding_window: Simd must divide the channels of a group");
  end

  line_buffer #(
    .Width         (Simd * ElementBits),
    .PixelWords    (Channels / Simd),
    .Groups        (Groups),
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
    .out_valid_o,
    .out_ready_i,
    .out_data_o(data),
    .out_pad_o (pad)
  );

  assign out_data_o = pad ? {Simd{ElementBits'(Fill)}} : data;

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Simd * ElementBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(Simd * ElementBits)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
