// More channels for every pixel: BeforeWords words of padding, its InWords words, AfterWords words of
// padding.
//
// Input       Lanes elements of ElementBits in a word; padding is words of Fill.
// Throughput  one output word per cycle. Latency: 1 cycle, behind the padding in front of a pixel,
//             which waits for that pixel's first word.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        A counter; the output register makes the constant by its reset, which takes no LUTs.
// Cost        8 bits, 2 + 4 + 2 words, ECP5: 9 LUT4, 12 FF.
module pad_channels #(
  parameter int unsigned Lanes       = 1,
  parameter int unsigned ElementBits = 8,
  parameter int unsigned Fill        = 0,
  parameter int unsigned BeforeWords = 0,
  parameter int unsigned InWords     = 1,
  parameter int unsigned AfterWords  = 1
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  input  logic                         in_valid_i,
  output logic                         in_ready_o,
  input  logic [Lanes*ElementBits-1:0] in_data_i,
  output logic                         out_valid_o,
  input  logic                         out_ready_i,
  output logic [Lanes*ElementBits-1:0] out_data_o
);
  localparam int unsigned WIDTH     = Lanes * ElementBits;
  localparam int unsigned WORDS     = BeforeWords + InWords + AfterWords;
  localparam int unsigned WORD_BITS = $clog2(WORDS);

  if (InWords < 1 || WORDS == InWords) begin : gen_bad_words
    $error("pad_channels: a pixel and its padding must have at least one word");
  end

  logic en, leading, passing, valid, out_valid_q;
  logic [WIDTH-1:0]     out_q;
  logic [WORD_BITS-1:0] word_q;

  if (BeforeWords > 0) begin : gen_before
    assign leading = word_q < WORD_BITS'(BeforeWords);
  end else begin : gen_no_before
    assign leading = 1'b0;
  end
  if (AfterWords > 0) begin : gen_after
    assign passing = ~leading & (word_q < WORD_BITS'(BeforeWords + InWords));
  end else begin : gen_no_after
    assign passing = ~leading;
  end

  assign en          = ~out_valid_q | out_ready_i;
  assign valid       = in_valid_i | ~(leading | passing);
  assign in_ready_o  = en & passing;
  assign out_valid_o = out_valid_q;
  assign out_data_o  = out_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      word_q      <= '0;
      out_valid_q <= 1'b0;
    end else if (en) begin
      out_valid_q <= valid;
      if (valid) word_q <= word_q == WORD_BITS'(WORDS - 1) ? '0 : word_q + 1'b1;
    end
    if (en) out_q <= passing ? in_data_i : {Lanes{ElementBits'(Fill)}};
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(WIDTH), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(WIDTH)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
