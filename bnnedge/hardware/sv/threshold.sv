// Integers to bits: bit c of a pixel is (x[c] >= T[c]) ^ invert[c].
//
// Input       Channels / Pe beats of Pe elements for a pixel, channel 0 in the low bits of the first.
// Throughput  one beat per cycle. Latency: 2 cycles, 3 with a table of 2048 bits or more.
// Back-press. in_ready_o follows out_ready_i within the cycle (never in_valid_i).
// Memories    see result_stage, which this is, without a matrix-vector unit in front.
module threshold #(
  parameter int unsigned Channels    = 8,
  parameter int unsigned Pe          = 1,
  parameter int unsigned ElementBits = 8,
  parameter bit          Signed      = 1'b1,
  parameter              TableFile   = ""
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  input  logic                      in_valid_i,
  output logic                      in_ready_o,
  input  logic [Pe*ElementBits-1:0] in_data_i,
  output logic                      out_valid_o,
  input  logic                      out_ready_i,
  output logic [Pe-1:0]             out_data_o
);
  if (Channels % Pe != 0) begin : gen_bad_folding
    $error("threshold: Pe must divide Channels");
  end

  // One bit more than the elements: a threshold that none of them reaches.
  localparam int unsigned TOTAL_BITS = ElementBits + 1;
  logic [Pe*TOTAL_BITS-1:0] total;
  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    logic [ElementBits-1:0] element;
    assign element = in_data_i[p*ElementBits+:ElementBits];
    assign total[p*TOTAL_BITS+:TOTAL_BITS] = {Signed & element[ElementBits-1], element};
  end

  result_stage #(
    .Pe         (Pe),
    .TotalBits  (TOTAL_BITS),
    .Signed     (Signed),
    .Thresholded(1'b1),
    .Folds      (Channels / Pe),
    .TableFile  (TableFile)
  ) i_result (
    .clk_i,
    .rst_ni,
    .en_o   (in_ready_o),
    .next_i (1'b0),
    .done_i (in_valid_i),
    .total_i(total),
    .out_valid_o,
    .out_ready_i,
    .out_data_o
  );

`ifndef SYNTHESIS
  stream_contract #(
    .Width(Pe * ElementBits), .Given(1'b1)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(in_valid_i), .ready_i(in_ready_o), .data_i(in_data_i)
  );
  stream_contract #(
    .Width(Pe)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(out_valid_o), .ready_i(out_ready_i), .data_i(out_data_o)
  );
`endif
endmodule
