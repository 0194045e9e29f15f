# The Zynq-7000's processing system: a clock, a reset, one master and one slave port.
# PYNQ has booted the PS long before this bitstream is loaded: memory, MIO and peripherals stay as
# its image has set them. What counts here are the ports and the size of the memory behind them.

create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7:5.5 ps
configure ps $ps_properties
configure ps {
    PCW_FPGA_FCLK0_ENABLE 1
    PCW_USE_M_AXI_GP0 1
    PCW_USE_S_AXI_HP0 1
    PCW_S_AXI_HP0_DATA_WIDTH 64
}

create_bd_intf_port -mode Master -vlnv xilinx.com:interface:ddrx_rtl:1.0 DDR
create_bd_intf_port -mode Master \
    -vlnv xilinx.com:display_processing_system7:fixedio_rtl:1.0 FIXED_IO
connect_bd_intf_net [get_bd_intf_ports DDR] [get_bd_intf_pins ps/DDR]
connect_bd_intf_net [get_bd_intf_ports FIXED_IO] [get_bd_intf_pins ps/FIXED_IO]

set clock_asked PCW_FPGA0_PERIPHERAL_FREQMHZ
set clock_actual PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ
set ps_clock ps/FCLK_CLK0
set ps_reset ps/FCLK_RESET0_N
set ps_master ps/M_AXI_GP0
set ps_slave ps/S_AXI_HP0
set ps_clocked {ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK}
set ps_slave_bits 64
set control_base 0x40000000
