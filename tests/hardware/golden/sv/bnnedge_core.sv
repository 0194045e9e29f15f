// Generated: the network as kernels between two AXI4-Streams.
module bnnedge_core (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic [31:0] s_axis_tdata,
  input  logic s_axis_tvalid,
  output logic s_axis_tready,
  output logic [31:0] m_axis_tdata,
  output logic m_axis_tvalid,
  input  logic m_axis_tready,
  output logic m_axis_tlast,
  output logic [31:0] id_o
);
  assign id_o = 32'he8a2eee6;

  // The streams between the kernels, for whoever watches a simulation.
  logic [7:0] stream_valid /* verilator public_flat_rd */;
  logic [7:0] stream_ready /* verilator public_flat_rd */;
  logic [3:0] data_0;
  logic [3:0] data_1;
  logic [1:0] data_2;
  logic [2:0] data_3;
  logic [2:0] data_4;
  logic [3:0] data_5;
  logic [7:0] data_6;
  logic [31:0] data_7;

  stream_width_converter #(
    .InBits(32),
    .OutBits(4),
    .FrameBits(12)
  ) i_0_mvu0_width (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(s_axis_tvalid),
    .in_ready_o(s_axis_tready),
    .in_data_i(s_axis_tdata),
    .out_valid_o(stream_valid[0]),
    .out_ready_i(stream_ready[0]),
    .out_data_o(data_0)
  );

  stream_fifo #(
    .Width(4),
    .Depth(2)
  ) i_0_mvu0_fifo (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(stream_valid[0]),
    .in_ready_o(stream_ready[0]),
    .in_data_i(data_0),
    .out_valid_o(stream_valid[1]),
    .out_ready_i(stream_ready[1]),
    .out_data_o(data_1)
  );

  xnor_mvu #(
    .MatrixWidth(12),
    .MatrixHeight(6),
    .Groups(1),
    .Pe(2),
    .Simd(4),
    .Thresholded(1),
    .BlockRom(1),
    .WeightFile("mem/0_mvu0_weights.mem"),
    .TableFile("mem/0_mvu0_thresholds.mem"),
    .Corrected(0),
    .OutHeight(1),
    .OutWidth(1),
    .RowClasses(1),
    .ColumnClasses(1),
    .RowFile(""),
    .ColumnFile("")
  ) i_0_mvu0 (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(stream_valid[1]),
    .in_ready_o(stream_ready[1]),
    .in_data_i(data_1),
    .out_valid_o(stream_valid[2]),
    .out_ready_i(stream_ready[2]),
    .out_data_o(data_2)
  );

  stream_width_converter #(
    .InBits(2),
    .OutBits(3),
    .FrameBits(6)
  ) i_1_mvu1_width (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(stream_valid[2]),
    .in_ready_o(stream_ready[2]),
    .in_data_i(data_2),
    .out_valid_o(stream_valid[3]),
    .out_ready_i(stream_ready[3]),
    .out_data_o(data_3)
  );

  stream_fifo #(
    .Width(3),
    .Depth(2)
  ) i_1_mvu1_fifo (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(stream_valid[3]),
    .in_ready_o(stream_ready[3]),
    .in_data_i(data_3),
    .out_valid_o(stream_valid[4]),
    .out_ready_i(stream_ready[4]),
    .out_data_o(data_4)
  );

  xnor_mvu #(
    .MatrixWidth(6),
    .MatrixHeight(4),
    .Groups(1),
    .Pe(1),
    .Simd(3),
    .Thresholded(0),
    .BlockRom(0),
    .WeightFile("mem/1_mvu1_weights.mem"),
    .TableFile(""),
    .Corrected(0),
    .OutHeight(1),
    .OutWidth(1),
    .RowClasses(1),
    .ColumnClasses(1),
    .RowFile(""),
    .ColumnFile("")
  ) i_1_mvu1 (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(stream_valid[4]),
    .in_ready_o(stream_ready[4]),
    .in_data_i(data_4),
    .out_valid_o(stream_valid[5]),
    .out_ready_i(stream_ready[5]),
    .out_data_o(data_5)
  );

  logic [1:0] raw_6;

  arg_max #(
    .Elements(4),
    .Pe(1),
    .ElementBits(4)
  ) i_2_argmax (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(stream_valid[5]),
    .in_ready_o(stream_ready[5]),
    .in_data_i(data_5),
    .out_valid_o(stream_valid[6]),
    .out_ready_i(stream_ready[6]),
    .out_data_o(raw_6)
  );

  resize_elements #(
    .Elements(1),
    .InBits(2),
    .OutBits(8),
    .Signed(0)
  ) i_2_argmax_resize (
    .data_i(raw_6),
    .data_o(data_6)
  );

  stream_width_converter #(
    .InBits(8),
    .OutBits(32),
    .FrameBits(8)
  ) i_out_width (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(stream_valid[6]),
    .in_ready_o(stream_ready[6]),
    .in_data_i(data_6),
    .out_valid_o(stream_valid[7]),
    .out_ready_i(stream_ready[7]),
    .out_data_o(data_7)
  );

  stream_fifo #(
    .Width(32),
    .Depth(2)
  ) i_out_fifo (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .in_valid_i(stream_valid[7]),
    .in_ready_o(stream_ready[7]),
    .in_data_i(data_7),
    .out_valid_o(m_axis_tvalid),
    .out_ready_i(m_axis_tready),
    .out_data_o(m_axis_tdata)
  );

  stream_last #(
    .Beats(1)
  ) i_last (
    .clk_i(clk_i),
    .rst_ni(rst_ni),
    .valid_i(m_axis_tvalid),
    .ready_i(m_axis_tready),
    .last_o(m_axis_tlast)
  );
endmodule
