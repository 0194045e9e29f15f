# The Zynq UltraScale+'s processing system: a clock, a reset, one master and one slave port.
# PYNQ has booted the PS long before this bitstream is loaded: memory, MIO and peripherals stay as
# its image has set them. What counts here are the ports, whose widths PYNQ reads from the .hwh. No
# interrupt is used, so none is left open.

create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e:* ps
configure ps $ps_properties
configure ps {
    PSU__FPGA_PL0_ENABLE 1
    PSU__USE__IRQ0 0
    PSU__USE__M_AXI_GP0 1
    PSU__USE__M_AXI_GP1 0
    PSU__USE__M_AXI_GP2 0
    PSU__USE__S_AXI_GP2 1
    PSU__SAXIGP2__DATA_WIDTH 128
}

# Vivado may take another PLL: what counts is the clock.
set_property CONFIG.PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL [get_bd_cells ps]

set clock_asked PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ
set clock_actual PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ
set ps_clock ps/pl_clk0
set ps_reset ps/pl_resetn0
set ps_master ps/M_AXI_HPM0_FPD
set ps_slave ps/S_AXI_HP0_FPD
set ps_clocked {ps/maxihpm0_fpd_aclk ps/saxihp0_fpd_aclk}
set ps_slave_bits 128
set control_base 0xA0000000
