// Front of a pipeline that never stops: `valid` beside what takes Latency cycles.
//
// Back-press. None: what is behind must always be ready. `credit_gate` lets in no more than a FIFO
//             behind the pipeline has room for.
module fixed_latency #(
  parameter int unsigned Latency = 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic in_valid_i,
  output logic in_ready_o,
  output logic out_valid_o,
  input  logic out_ready_i
);
  logic [Latency-1:0] valid_q;
  logic [Latency:0]   valid;
  assign valid = {valid_q, in_valid_i};
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= valid[Latency-1:0];
  end
  assign out_valid_o = valid[Latency];
  assign in_ready_o  = 1'b1;

`ifdef SYNTHESIS
  logic unused;
  assign unused = out_ready_i;
`else
  always_ff @(posedge clk_i) begin
    if (rst_ni && out_valid_o && !out_ready_i) $error("fixed_latency: what is behind is not ready");
  end
`endif
endmodule
