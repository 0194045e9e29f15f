// Simulation stand-in for the ECP5's PLL: the output clock is the input clock (a simulated design
// with one clock cannot tell), and the lock comes after 16 of its edges.
module EHXPLLL #(
  parameter PLLRST_ENA = "DISABLED", parameter INTFB_WAKE = "DISABLED",
  parameter STDBY_ENABLE = "DISABLED", parameter DPHASE_SOURCE = "DISABLED",
  parameter FEEDBK_PATH = "CLKOP", parameter OUTDIVIDER_MUXA = "DIVA",
  parameter OUTDIVIDER_MUXB = "DIVB", parameter OUTDIVIDER_MUXC = "DIVC",
  parameter OUTDIVIDER_MUXD = "DIVD", parameter CLKOP_ENABLE = "ENABLED",
  parameter CLKI_DIV = 1, parameter CLKFB_DIV = 1, parameter CLKOP_DIV = 8,
  parameter CLKOP_CPHASE = 0, parameter CLKOP_FPHASE = 0
) (
  input  CLKI, CLKFB, RST, STDBY, ENCLKOP, PLLWAKESYNC,
  input  PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG,
  output CLKOP, LOCK
);
  reg [4:0] edges = 5'd0;
  always @(posedge CLKI) if (!edges[4]) edges <= edges + 5'd1;
  assign CLKOP = CLKI;
  assign LOCK  = edges[4];
endmodule
