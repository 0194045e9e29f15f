// Checks one stream in simulation: what was offered and not taken stays offered, unchanged.
//
// Kernels instantiate it on all of their ends under `ifndef SYNTHESIS; it is empty hardware. A proof
// (FORMAL) takes it as given of what comes in, and shows it of what goes out.
module stream_contract #(
  parameter int unsigned Width = 8,
  parameter bit          Given = 1'b0
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

`ifdef FORMAL
  initial assume (!rst_ni);
`else
  logic unused;
  assign unused = Given;
`endif

  always_ff @(posedge clk_i) begin
    waiting_q <= rst_ni && valid_i && !ready_i;
    data_q    <= data_i;
    if (rst_ni && waiting_q) begin
`ifdef FORMAL
      if (Given) assume (valid_i && data_i == data_q);
      else begin
        valid_is_held: assert (valid_i);
        data_are_stable: assert (data_i == data_q);
      end
      stalled: cover (1'b1);
`else
      assert (valid_i) else $error("%m: valid was withdrawn before ready");
      assert (data_i == data_q) else $error("%m: data changed before ready");
`endif
    end
  end
`endif
endmodule
