# From RTL to output/<name>.bit and output/<name>.hwh, which PYNQ's Overlay loads: run.sh.
# No path in here is absolute; the folder may be copied to any machine that has Vivado.

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
source [file join $here steps.tcl]

check_version $oldest_vivado
file delete -force [file join $here output]

step "package IP"
source [file join $here package_ip.tcl]

step "block design"
create_project -force project [file join $here project] -part $part
set_property ip_repo_paths [list [file join $here ip]] [current_project]
update_ip_catalog
# A memory file that is not found would leave weights at zero.
set_msg_config -id {Synth 8-4445} -new_severity ERROR
source [file join $here block_design.tcl]
make_wrapper -files [get_files bnnedge.bd] -top -import
set_property top bnnedge_wrapper [current_fileset]
update_compile_order -fileset sources_1

step "synthesis"
finish_run synth_1
step "implementation"
finish_run impl_1 write_bitstream

step "reports"
open_run impl_1
file mkdir [file join $here output]
report_timing_summary -file [file join $here output timing.rpt]
report_utilization -file [file join $here output utilization.rpt]
check_timing_met impl_1 $clock_mhz

set runs [file join $here project project.runs]
set handoff [glob [file join $here project project.* sources_1 bd bnnedge hw_handoff bnnedge.hwh]]
file copy [file join $runs impl_1 bnnedge_wrapper.bit] [file join $here output $name.bit]
file copy [lindex $handoff 0] [file join $here output $name.hwh]
step "done: output/$name.bit and output/$name.hwh"
