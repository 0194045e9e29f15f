# PS, AXI DMA and network:
#
#   PS master ── axi_control ──┬── axi_dma_0 registers
#                              └── bnnedge_0 registers
#   PS slave (DDR) ── axi_memory ── axi_dma_0 ══ images ══ bnnedge_0 ══ results ══ axi_dma_0
#
# The DMA is in simple mode, as PYNQ's own driver wants it (PG021). Everything runs on one clock.

create_bd_design bnnedge
source [file join $here ps.tcl]

set timed_mhz [set_clock $clock_asked $clock_actual $clock_mhz $max_clock_mhz]

# It takes the polarity of its input from what drives it.
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset:5.0 reset_0

create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 axi_control
configure axi_control {NUM_SI 1 NUM_MI 2}
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 axi_memory
configure axi_memory {NUM_SI 2 NUM_MI 1}

create_bd_cell -type ip -vlnv bnnedge:user:bnnedge_axi:1.0 bnnedge_0

# A stream may not be wider than its memory port. Vivado would propagate the widths of S2MM by
# itself; USER makes it take ours.
create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma:7.1 axi_dma_0
set_property -dict {
    CONFIG.c_m_axi_s2mm_data_width.VALUE_SRC USER
    CONFIG.c_s_axis_s2mm_tdata_width.VALUE_SRC USER
} [get_bd_cells axi_dma_0]
configure axi_dma_0 [list \
    c_include_sg 0 \
    c_sg_include_stscntrl_strm 0 \
    c_sg_length_width 26 \
    c_addr_width 32 \
    c_include_mm2s 1 \
    c_m_axi_mm2s_data_width [expr {max($ps_slave_bits, $in_bits)}] \
    c_m_axis_mm2s_tdata_width $in_bits \
    c_mm2s_burst_size 16 \
    c_include_s2mm 1 \
    c_m_axi_s2mm_data_width [expr {max($ps_slave_bits, $out_bits)}] \
    c_s_axis_s2mm_tdata_width $out_bits \
    c_s2mm_burst_size 16 \
]

foreach {from to} [list \
    $ps_master            axi_control/S00_AXI \
    axi_control/M00_AXI   axi_dma_0/S_AXI_LITE \
    axi_control/M01_AXI   bnnedge_0/s_axi \
    axi_dma_0/M_AXI_MM2S  axi_memory/S00_AXI \
    axi_dma_0/M_AXI_S2MM  axi_memory/S01_AXI \
    axi_memory/M00_AXI    $ps_slave \
    axi_dma_0/M_AXIS_MM2S bnnedge_0/s_axis \
    bnnedge_0/m_axis      axi_dma_0/S_AXIS_S2MM \
] {
    connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
}

foreach pin [list {*}$ps_clocked reset_0/slowest_sync_clk \
    axi_control/aclk axi_memory/aclk bnnedge_0/aclk \
    axi_dma_0/s_axi_lite_aclk axi_dma_0/m_axi_mm2s_aclk axi_dma_0/m_axi_s2mm_aclk] {
    connect_bd_net [get_bd_pins $ps_clock] [get_bd_pins $pin]
}
connect_bd_net [get_bd_pins $ps_reset] [get_bd_pins reset_0/ext_reset_in]
foreach pin {axi_control/aresetn axi_memory/aresetn} {
    connect_bd_net [get_bd_pins reset_0/interconnect_aresetn] [get_bd_pins $pin]
}
foreach pin {axi_dma_0/axi_resetn bnnedge_0/aresetn} {
    connect_bd_net [get_bd_pins reset_0/peripheral_aresetn] [get_bd_pins $pin]
}

foreach {segment offset} {axi_dma_0/S_AXI_LITE/* 0x0 bnnedge_0/s_axi/* 0x10000} {
    assign_bd_address -offset [format 0x%X [expr {$control_base + $offset}]] -range 0x10000 \
        -target_address_space [get_bd_addr_spaces ps/Data] [get_bd_addr_segs $segment]
}
# The memory behind the PS slave port, for both channels of the DMA.
assign_bd_address

validate_bd_design
save_bd_design

check_clock bnnedge_0/aclk $timed_mhz
check_memory {axi_dma_0/Data_MM2S axi_dma_0/Data_S2MM} $memory_bytes
