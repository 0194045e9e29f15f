// Checks one stream in simulation: what was offered and not taken stays offered, unchanged.
//
// Kernels instantiate it on both of their ends under `ifndef SYNTHESIS; it is empty hardware.
module stream_contract #(
  parameter int unsigned Width = 8
) (
  input logic             clk_i,
  input logic             rst_ni,
  input logic             valid_i,
  input logic             ready_i,
  input logic [Width-1:0] data_i
);
`ifndef SYNTHESIS
  logic             waiting_q;
  logic [Width-1:0] data_q;

  always_ff @(posedge clk_i) begin
    waiting_q <= rst_ni && valid_i && !ready_i;
    data_q    <= data_i;
    if (rst_ni && waiting_q) begin
      assert (valid_i) else $error("%m: valid was withdrawn before ready");
      assert (data_i == data_q) else $error("%m: data changed before ready");
    end
  end
`endif
endmodule
