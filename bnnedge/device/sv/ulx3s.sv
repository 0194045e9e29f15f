// Top of the ULX3S: its 25 MHz oscillator through a PLL, the FTDI's serial line, three LEDs.
//
// Clock       25 MHz * ClkfbDiv / ClkiDiv; the oscillator of the PLL runs ClkopDiv times as fast
//             (400 to 800 MHz). The device is in reset until 8 clocks after the PLL has locked.
// LEDs        0: out of reset; 1: receiving; 2: sending.
// wifi_gpio0  held high: low would let the ESP32 load another bitstream over this one.
//
module ulx3s #(
  parameter int unsigned ClkiDiv       = 1,
  parameter int unsigned ClkfbDiv      = 2,
  parameter int unsigned ClkopDiv      = 12,
  parameter int unsigned ClocksPerBit  = 50,
  parameter int unsigned TimeoutClocks = 2500000,
  parameter int unsigned Window        = 4,
  parameter int unsigned InputWidth    = 32,
  parameter int unsigned InputBeats    = 2,
  parameter int unsigned OutputWidth   = 32,
  parameter int unsigned OutputBeats   = 2
) (
  input  logic       clk_25mhz,
  input  logic       ftdi_txd,
  output logic       ftdi_rxd,
  output logic [2:0] led,
  output logic       wifi_gpio0
);
  logic clk, locked;

  // Loop filter values as Project Trellis' ecppll gives them for every frequency.
  (* ICP_CURRENT = "12" *) (* LPF_RESISTOR = "8" *)
  (* MFG_ENABLE_FILTEROPAMP = "1" *) (* MFG_GMCREF_SEL = "2" *)
  EHXPLLL #(
    .PLLRST_ENA("DISABLED"), .INTFB_WAKE("DISABLED"), .STDBY_ENABLE("DISABLED"),
    .DPHASE_SOURCE("DISABLED"), .FEEDBK_PATH("CLKOP"),
    .OUTDIVIDER_MUXA("DIVA"), .OUTDIVIDER_MUXB("DIVB"),
    .OUTDIVIDER_MUXC("DIVC"), .OUTDIVIDER_MUXD("DIVD"),
    .CLKI_DIV(ClkiDiv), .CLKFB_DIV(ClkfbDiv),
    .CLKOP_ENABLE("ENABLED"), .CLKOP_DIV(ClkopDiv), .CLKOP_CPHASE(ClkopDiv / 2), .CLKOP_FPHASE(0)
  ) i_pll (
    .CLKI(clk_25mhz), .CLKFB(clk), .CLKOP(clk), .LOCK(locked),
    .RST(1'b0), .STDBY(1'b0), .ENCLKOP(1'b0), .PLLWAKESYNC(1'b0),
    .PHASESEL0(1'b0), .PHASESEL1(1'b0), .PHASEDIR(1'b1), .PHASESTEP(1'b1), .PHASELOADREG(1'b1)
  );

  logic [7:0] reset_q;
  logic       rst_n;
  assign rst_n = reset_q[7];
  always_ff @(posedge clk or negedge locked) begin
    if (!locked) reset_q <= '0;
    else reset_q <= {reset_q[6:0], 1'b1};
  end

  uart_device #(
    .ClocksPerBit(ClocksPerBit), .TimeoutClocks(TimeoutClocks), .Window(Window),
    .InputWidth(InputWidth), .InputBeats(InputBeats),
    .OutputWidth(OutputWidth), .OutputBeats(OutputBeats)
  ) i_device (
    .clk_i(clk), .rst_ni(rst_n), .rx_i(ftdi_txd), .tx_o(ftdi_rxd)
  );

  assign led        = {~ftdi_rxd, ~ftdi_txd, rst_n};
  assign wifi_gpio0 = 1'b1;
endmodule
