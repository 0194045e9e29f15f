# The network with its AXI ports as an IP for Vivado's block designs, in ip/.
# build.tcl sources this. Vivado wants a top in plain Verilog (UG1118): bnnedge_axi.v.

create_project -force package_ip [file join $here package_ip] -part $part
add_files -norecurse [glob [file join $here src *]]
set_property top bnnedge_axi [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir [file join $here ip] -vendor bnnedge -library user \
    -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name bnnedge_axi $core
set_property version 1.0 $core
set_property display_name "bnnedge: $name" $core
set_property description "Binarised network $name, id $id_word" $core

# Interfaces are inferred from the names of the ports; which clock they run on is not.
foreach interface {s_axi s_axis m_axis} {
    ipx::associate_bus_interfaces -busif $interface -clock aclk $core
}
ipx::associate_bus_interfaces -clock aclk -reset aresetn $core

ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
