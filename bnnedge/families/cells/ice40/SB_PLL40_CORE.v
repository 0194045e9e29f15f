// Simulation stand-in for the iCE40's PLL, which Yosys' models leave empty: the output clock is the
// input clock (a simulated design with one clock cannot tell), and the lock comes after 16 of its
// edges.
module SB_PLL40_CORE #(
  parameter FEEDBACK_PATH = "SIMPLE",
  parameter DIVR = 0, parameter DIVF = 0, parameter DIVQ = 0, parameter FILTER_RANGE = 0
) (
  input  REFERENCECLK, RESETB, BYPASS,
  output PLLOUTGLOBAL, LOCK
);
  reg [4:0] edges = 5'd0;
  always @(posedge REFERENCECLK) if (!edges[4]) edges <= edges + 5'd1;
  assign PLLOUTGLOBAL = REFERENCECLK;
  assign LOCK         = edges[4];
endmodule
