// A feature map without its first Top rows and its first Left columns.
//
// Input       PixelWords words for a pixel, pixels row by row.
// Throughput  one input word per cycle. Latency: none.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Form        Counters; data are wires.
// Cost        32 x 32 pixels of 2 words, one row and column, ECP5: 32 LUT4, 11 FF.
module crop #(
  parameter int unsigned WordBits   = 8,
  parameter int unsigned PixelWords = 1,
  parameter int unsigned Height     = 4,
  parameter int unsigned Width      = 4,
  parameter int unsigned Top        = 1,
  parameter int unsigned Left       = 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                in_valid_i,
  output logic                in_ready_o,
  input  logic [WordBits-1:0] in_data_i,
  output logic                out_valid_o,
  input  logic                out_ready_i,
  output logic [WordBits-1:0] out_data_o
);
  if (Top >= Height || Left >= Width) begin : gen_bad_size
    $error("crop: a row and a column must remain");
  end

  logic take, pixel_end, line_end, frame_end, keep_row, keep_column, keep;

  assign take        = in_valid_i & in_ready_o;
  assign keep        = keep_row & keep_column;
  assign in_ready_o  = out_ready_i | ~keep;
  assign out_valid_o = in_valid_i & keep;
  assign out_data_o  = in_data_i;

  loop_counter #(.Bound(PixelWords)) i_words (.clk_i, .rst_ni, .step_i(take), .last_o(pixel_end));
  crop_axis #(
    .Size(Width), .Skip(Left)
  ) i_columns (
    .clk_i, .rst_ni, .step_i(take & pixel_end), .keep_o(keep_column), .last_o(line_end)
  );
  crop_axis #(
    .Size(Height), .Skip(Top)
  ) i_rows (
    .clk_i, .rst_ni, .step_i(take & pixel_end & line_end), .keep_o(keep_row), .last_o(frame_end)
  );
  logic unused;
  assign unused = frame_end;

`ifndef SYNTHESIS
  stream_contract #(
    .Width(WordBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(WordBits)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
