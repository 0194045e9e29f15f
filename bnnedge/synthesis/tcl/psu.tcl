# The Zynq UltraScale+'s processing system: a clock, a reset, one master and one slave port.
# PYNQ has booted the PS long before this bitstream is loaded: memory, MIO and peripherals stay as
# its image has set them. What counts here are the ports, whose widths PYNQ reads from the .hwh, and
# the divisors of PL0, likewise; these depend on the reference clock.

create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e:* ps
set_property -dict [list \
    CONFIG.PSU__PSS_REF_CLK__FREQMHZ $reference_mhz \
    CONFIG.PSU__FPGA_PL0_ENABLE 1 \
    CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL \
    CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $clock_mhz \
    CONFIG.PSU__USE__M_AXI_GP0 1 \
    CONFIG.PSU__USE__M_AXI_GP1 0 \
    CONFIG.PSU__USE__M_AXI_GP2 0 \
    CONFIG.PSU__USE__S_AXI_GP2 1 \
    CONFIG.PSU__SAXIGP2__DATA_WIDTH 128 \
] [get_bd_cells ps]

set ps_clock ps/pl_clk0
set ps_reset ps/pl_resetn0
set ps_master ps/M_AXI_HPM0_FPD
set ps_slave ps/S_AXI_HP0_FPD
set ps_clocked {ps/maxihpm0_fpd_aclk ps/saxihp0_fpd_aclk}
set ps_slave_bits 128
set control_base 0xA0000000
