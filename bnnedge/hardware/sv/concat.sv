// Two streams into one: for every pixel AWords words of a, then BWords words of b.
//
// Throughput  one word per cycle. Latency: 1 cycle.
// Back-press. a_ready_o and b_ready_o follow out_ready_i within the cycle (never a valid); b waits
//             while a's words of a pixel come, and a while b's do.
// Form        A counter, a multiplexer and the output register, which takes no LUT behind it.
// Cost        8 bits, 4 + 2 words, ECP5: 17 LUT4, 12 FF.
module concat #(
  parameter int unsigned Width  = 8,
  parameter int unsigned AWords = 1,
  parameter int unsigned BWords = 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             a_valid_i,
  output logic             a_ready_o,
  input  logic [Width-1:0] a_data_i,
  input  logic             b_valid_i,
  output logic             b_ready_o,
  input  logic [Width-1:0] b_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);
  localparam int unsigned WORDS     = AWords + BWords;
  localparam int unsigned WORD_BITS = $clog2(WORDS);

  if (AWords < 1 || BWords < 1) begin : gen_bad_words
    $error("concat: AWords and BWords must be at least 1");
  end

  logic en, from_b, valid, out_valid_q;
  logic [Width-1:0]     out_q;
  logic [WORD_BITS-1:0] word_q;

  assign en          = ~out_valid_q | out_ready_i;
  assign from_b      = word_q >= WORD_BITS'(AWords);
  assign valid       = from_b ? b_valid_i : a_valid_i;
  assign a_ready_o   = en & ~from_b;
  assign b_ready_o   = en & from_b;
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
    if (en) out_q <= from_b ? b_data_i : a_data_i;
  end

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Width), .Given(1'b1)
  ) i_a_contract (
    .clk_i, .rst_ni, .valid_i(a_valid_i), .ready_i(a_ready_o), .data_i(a_data_i)
  );
  stream_contract #(
    .Width(Width), .Given(1'b1)
  ) i_b_contract (
    .clk_i, .rst_ni, .valid_i(b_valid_i), .ready_i(b_ready_o), .data_i(b_data_i)
  );
  stream_contract #(
    .Width(Width)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
