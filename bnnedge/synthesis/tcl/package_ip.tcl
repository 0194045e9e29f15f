# The network with its AXI ports as an IP for Vivado's block designs, in ip/.
# build.tcl sources this. Vivado wants a top in plain Verilog (UG1118): bnnedge_axi.v.

# Memory files stay in src/mem/, and the sources name them by absolute paths: what is read is then
# the same wherever Vivado runs the synthesis of the IP.
if {[regexp {["\\]} $here]} {
    fail "no quote and no backslash may be in this folder's path: $here"
}
set memories [file join $here src mem]
set there [glob -nocomplain -directory $memories -tails -- *.mem]
file delete -force [file join $here ip_src]
file mkdir [file join $here ip_src]
set named {}
foreach source [glob -directory [file join $here src] -tails -- *.{v,sv}] {
    set file [open [file join $here src $source]]
    fconfigure $file -encoding utf-8
    set text [read $file]
    close $file
    foreach {- memory} [regexp -all -inline {"mem/([^"]+)"} $text] {
        # Files that belong together have a common beginning, which the source completes.
        set found [lsearch -all -inline $there $memory*]
        if {![llength $found]} {
            fail "$source: no memory file mem/$memory"
        }
        lappend named {*}$found
    }
    set file [open [file join $here ip_src $source] w]
    fconfigure $file -encoding utf-8
    puts -nonewline $file [string map [list "\"mem/" "\"$memories/"] $text]
    close $file
}
set named [lsort -unique $named]
if {[llength $named] != [llength $there]} {
    fail "wanted [llength $there] memory files, the sources name [llength $named]"
}
step "memory files: [llength $named]"

create_project -force package_ip [file join $here package_ip] -part $part
make_fatal $fatal_messages
add_files -norecurse [glob -directory [file join $here ip_src] -- *]
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
