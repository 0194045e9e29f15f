// Marks the last of every Bound steps; it only counts.
module loop_counter #(
  parameter int unsigned Bound = 1
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic step_i,
  output logic last_o
);
  if (Bound == 1) begin : gen_always
    logic unused;
    assign unused = &{clk_i, rst_ni, step_i};
    assign last_o = 1'b1;
  end else begin : gen_count
    localparam int unsigned BITS = $clog2(Bound);
    logic [BITS-1:0] count_q;
    assign last_o = count_q == BITS'(Bound - 1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) count_q <= '0;
      else if (step_i) count_q <= last_o ? '0 : count_q + 1'b1;
    end
  end
endmodule
