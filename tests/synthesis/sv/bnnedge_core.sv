// A stand-in for a generated network: the sum and the exclusive-or of an image's words.
//
// Latency     Delay clocks after the last word; a new image is taken when the result has left.
// Reset       does what a network may: it takes nothing and offers garbage. Its first clock must be
//             one of reset.
//
module bnnedge_core #(
  parameter int unsigned Beats = 3,
  parameter int unsigned Delay = 5
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [31:0] s_axis_tdata,
  input  logic        s_axis_tvalid,
  output logic        s_axis_tready,
  output logic [31:0] m_axis_tdata,
  output logic        m_axis_tvalid,
  input  logic        m_axis_tready,
  output logic        m_axis_tlast,
  output logic [31:0] id_o
);
  logic [31:0] sum_q, xor_q;
  logic [15:0] beat_q, wait_q;
  logic        half_q, full;
  assign full = beat_q == 16'(Beats);
  assign s_axis_tready = rst_ni & ~full;
  assign m_axis_tvalid = ~rst_ni | (full & (wait_q == 16'(Delay)));
  assign m_axis_tdata = half_q ? xor_q : sum_q;
  assign m_axis_tlast = half_q;
  assign id_o = 32'hB17E_DA7A;

  always_ff @(posedge clk_i) begin
    if (!rst_ni || (m_axis_tvalid && m_axis_tready && half_q)) begin
      beat_q <= '0;
      wait_q <= '0;
      half_q <= 1'b0;
      sum_q  <= '0;
      xor_q  <= '0;
    end else begin
      if (s_axis_tvalid && s_axis_tready) begin
        beat_q <= beat_q + 1'b1;
        sum_q  <= sum_q + s_axis_tdata;
        xor_q  <= xor_q ^ s_axis_tdata;
      end
      if (full && !m_axis_tvalid) wait_q <= wait_q + 1'b1;
      if (m_axis_tvalid && m_axis_tready) half_q <= 1'b1;
    end
  end

`ifndef SYNTHESIS
  logic clocked_q;
  initial clocked_q = 1'b0;
  always_ff @(posedge clk_i) begin
    clocked_q <= 1'b1;
    if (!clocked_q && rst_ni) $error("the network's first clock is none of reset");
  end
`endif
endmodule
