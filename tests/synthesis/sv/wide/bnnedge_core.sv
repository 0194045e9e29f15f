// A stand-in for an unrolled network: of a word as wide as an image, one a clock, the low half of
// the sum of its 32-bit parts, two clocks later.
module bnnedge_core #(
  parameter int unsigned Width = 1024  // at least the device's
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [Width-1:0] s_axis_tdata,
  input  logic             s_axis_tvalid,
  output logic             s_axis_tready,
  output logic [15:0]      m_axis_tdata,
  output logic             m_axis_tvalid,
  input  logic             m_axis_tready,
  output logic             m_axis_tlast,
  output logic [31:0]      id_o
);
  logic [Width-1:0] word_q;
  logic [31:0]      sum;
  logic [15:0]      sum_q;
  logic             word_valid_q, sum_valid_q, enable;
  assign enable        = ~sum_valid_q | m_axis_tready;
  assign s_axis_tready = enable;
  assign m_axis_tdata  = sum_q;
  assign m_axis_tvalid = sum_valid_q;
  assign m_axis_tlast  = 1'b1;
  assign id_o          = '0;
  always_comb begin
    sum = '0;
    for (int unsigned i = 0; i < Width / 32; i++) sum = sum + word_q[32*i+:32];
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) {word_valid_q, sum_valid_q} <= '0;
    else if (enable) {word_valid_q, sum_valid_q} <= {s_axis_tvalid, word_valid_q};
    if (enable) begin
      word_q <= s_axis_tdata;
      sum_q  <= sum[15:0];
    end
  end
endmodule
