// Two `passthrough`s in a row with their streams in view, as `bnnedge_core` shows them. The gate
// behind the second one closes for good after 0xFF.
module two_stages (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        s_axis_tvalid,
  output logic        s_axis_tready,
  input  logic [31:0] s_axis_tdata,
  output logic        m_axis_tvalid,
  input  logic        m_axis_tready,
  output logic [31:0] m_axis_tdata,
  output logic        m_axis_tlast,
  output logic [31:0] id_o
);
  logic [2:0] stream_valid  /* verilator public_flat_rd */;
  logic [2:0] stream_ready  /* verilator public_flat_rd */;
  logic [31:0] middle_data, gated_data;
  logic closed_q;

  passthrough #(.Width(32)) i_first (
    .clk_i, .rst_ni,
    .in_valid_i(stream_valid[0]), .in_ready_o(stream_ready[0]), .in_data_i(s_axis_tdata),
    .out_valid_o(stream_valid[1]), .out_ready_i(stream_ready[1]), .out_data_o(middle_data)
  );
  passthrough #(.Width(32)) i_second (
    .clk_i, .rst_ni,
    .in_valid_i(stream_valid[1]), .in_ready_o(stream_ready[1]), .in_data_i(middle_data),
    .out_valid_o(stream_valid[2]), .out_ready_i(stream_ready[2]), .out_data_o(gated_data)
  );

  assign stream_valid[0] = s_axis_tvalid;
  assign s_axis_tready = stream_ready[0];
  assign stream_ready[2] = m_axis_tready && !closed_q;
  assign m_axis_tvalid = stream_valid[2] && !closed_q;
  assign m_axis_tdata = gated_data;
  assign m_axis_tlast = gated_data[0];
  assign id_o = 32'hb0b1b2b3;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) closed_q <= 1'b0;
    else if (m_axis_tvalid && m_axis_tready && gated_data == 32'hff) closed_q <= 1'b1;
  end
endmodule
