// Marks the last of every Bound steps, from a register; it only counts.
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
    logic            last_q;
    assign last_o = last_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        count_q <= '0;
        last_q  <= 1'b0;
      end else if (step_i) begin
        count_q <= last_q ? '0 : count_q + 1'b1;
        last_q  <= ~last_q & (count_q == BITS'(Bound - 2));
      end
    end
  end
endmodule
