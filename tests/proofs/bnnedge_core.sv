// Any network at all, as the AXI wrapper sees it: it keeps to the stream contract, and no more.
module bnnedge_core #(
  parameter int unsigned Width = 32  // at least that of the wrapper's streams
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [Width-1:0] s_axis_tdata,
  input  logic             s_axis_tvalid,
  output logic             s_axis_tready,
  output logic [Width-1:0] m_axis_tdata,
  output logic             m_axis_tvalid,
  input  logic             m_axis_tready,
  output logic             m_axis_tlast,
  output logic [31:0]      id_o
);
  (* anyseq *) logic             takes, offers;
  (* anyseq *) logic [Width-1:0] word;
  assign s_axis_tready = takes;
  assign m_axis_tvalid = offers;
  assign m_axis_tdata  = word;
  assign m_axis_tlast  = 1'b0;
  assign id_o          = '0;

  stream_contract #(
    .Width(Width)
  ) i_in_contract (
    .clk_i, .rst_ni, .valid_i(s_axis_tvalid), .ready_i(s_axis_tready), .data_i(s_axis_tdata)
  );
  stream_contract #(
    .Width(Width), .Given(1'b1)
  ) i_out_contract (
    .clk_i, .rst_ni, .valid_i(m_axis_tvalid), .ready_i(m_axis_tready), .data_i(m_axis_tdata)
  );
endmodule
