# From RTL to output/<name>.bit and output/<name>.hwh, which PYNQ's Overlay loads: run.sh.
# No path in here is absolute; the folder may be copied to any machine that has Vivado.
# With the argument --check it stops before synthesis.

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
source [file join $here steps.tcl]

check_version $oldest_vivado
step "Vivado [version -short], $part"
file delete -force [file join $here output]

step "package IP"
source [file join $here package_ip.tcl]

step "block design"
create_project -force project [file join $here project] -part $part
make_fatal $fatal_messages
set_property ip_repo_paths [list [file join $here ip]] [current_project]
update_ip_catalog
source [file join $here block_design.tcl]
stop_if_fatal "validation" $fatal_messages
make_wrapper -files [get_files bnnedge.bd] -top -import
set_property top bnnedge_wrapper [current_fileset]
update_compile_order -fileset sources_1
if {"--check" in $argv} {
    generate_target all [get_files bnnedge.bd]
    stop_if_fatal "generation" $fatal_messages
    step "checked: nothing stands in the way of synthesis"
    return
}

set runs [file join $here project project.runs]
step "synthesis"
finish_run synth_1
stop_if_logged $runs $fatal_messages
step "memory files read: [count_logged $runs {\[Synth 8-3876\]}]"
step "implementation"
finish_run impl_1 write_bitstream

step "reports"
open_run impl_1
file mkdir [file join $here output]
report_timing_summary -file [file join $here output timing.rpt]
report_utilization -file [file join $here output utilization.rpt]
check_timing_met impl_1 $timed_mhz

set handoff project.*/sources_1/bd/bnnedge/hw_handoff/bnnedge.hwh
file copy [file join $runs impl_1 bnnedge_wrapper.bit] [file join $here output $name.bit]
file copy [lindex [glob -directory [file join $here project] -- $handoff] 0] [file join $here output $name.hwh]
step "done: output/$name.bit and output/$name.hwh"
