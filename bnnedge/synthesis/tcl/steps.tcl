# What build.tcl uses: progress, and checks that stop it; docs/reference/vivado.md has the sources.

proc step {what} {
    puts "bnnedge: $what"
}

proc fail {what} {
    error "ERROR: \[bnnedge\] $what"
}

proc check_version {oldest} {
    regexp {^\d+\.\d+} [version -short] found
    if {[package vcompare $found $oldest] < 0} {
        fail "wanted Vivado $oldest or later, got $found"
    }
}

# Vivado goes on after these messages, and what it makes is wrong.
proc make_fatal {messages} {
    foreach id $messages {
        set_msg_config -id $id -new_severity ERROR
    }
}

# Whether or not Vivado stopped at them.
proc stop_if_fatal {after messages} {
    foreach id $messages {
        if {[get_msg_config -id $id -count] > 0} {
            fail "after $after: \[$id\], see above"
        }
    }
    step "critical warnings after $after: [get_msg_config -severity {CRITICAL WARNING} -count]"
}

# Lines of the runs' own logs.
proc lines_logged {runs pattern} {
    set found {}
    foreach path [lsort [glob -nocomplain -directory $runs -- */runme.log]] {
        set file [open $path]
        lappend found {*}[lsearch -all -inline -regexp [split [read $file] "\n"] $pattern]
        close $file
    }
    return $found
}

proc count_logged {runs pattern} {
    return [llength [lines_logged $runs $pattern]]
}

proc stop_if_logged {runs messages} {
    set found [lines_logged $runs "^(ERROR|CRITICAL WARNING): \\\[([join $messages |])\\\]"]
    if {[llength $found]} {
        fail [lindex $found 0]
    }
}

# Sets properties of a cell and reads them back: to a name that does not exist, and to a value that
# is not the user's to set, Vivado gives a critical warning and no error.
proc configure {cell properties} {
    set pairs {}
    foreach {name value} $properties {
        lappend pairs CONFIG.$name $value
    }
    set_property -dict $pairs [get_bd_cells $cell]
    foreach {name value} $properties {
        set got [get_property CONFIG.$name [get_bd_cells $cell]]
        if {![same $got $value]} {
            fail "$cell: wanted $name $value, got [expr {$got eq "" ? "nothing" : $got}]"
        }
    }
}

# 100 and 100.000000 are the same, 1 and true, USER and user.
proc same {got wanted} {
    if {[string is double -strict $got] && [string is double -strict $wanted]} {
        return [expr {abs($got - $wanted) <= 1e-4 * abs($wanted)}]
    }
    if {[string is boolean -strict $got] && [string is boolean -strict $wanted]} {
        return [expr {!!$got == !!$wanted}]
    }
    return [string equal -nocase $got $wanted]
}

# Sets the clock of the processing system `ps`; returns the MHz that the design will be timed for.
# Vivado divides a PLL of its own choice, the board's driver another: timing must not be for less
# than the driver will set.
proc set_clock {property actual wanted_mhz most_mhz} {
    for {set asked $wanted_mhz} {$asked <= $most_mhz} {set asked [expr {$asked * 1.01}]} {
        set_property CONFIG.$property $asked [get_bd_cells ps]
        set timed [get_property CONFIG.$actual [get_bd_cells ps]]
        if {$timed >= $wanted_mhz * (1 - 1e-4)} {
            step [format "clock: wanted %.6f MHz, timed for %.6f MHz" $wanted_mhz $timed]
            return $timed
        }
    }
    fail "Vivado has no clock between $wanted_mhz and $most_mhz MHz: take a lower --clock-mhz"
}

# The clock that arrives is the one that was set.
proc check_clock {pin mhz} {
    set hz [get_property CONFIG.FREQ_HZ [get_bd_pins $pin]]
    if {![same $hz [expr {$mhz * 1e6}]]} {
        fail "$pin: wanted a clock of $mhz MHz, got $hz Hz"
    }
}

# Bytes of a range that Vivado says as a number or as 512M.
proc bytes {range} {
    if {[regexp {^(\d+)([KMG])$} $range - number unit]} {
        return [expr {$number << [dict get {K 10 M 20 G 30} $unit]}]
    }
    return [expr {$range}]
}

# Both channels of the DMA reach all memory that PYNQ may allocate.
proc check_memory {spaces least} {
    foreach space $spaces {
        set ranges {}
        foreach name [get_bd_addr_segs -of_objects [get_bd_addr_spaces $space]] {
            set segment [get_bd_addr_segs $name]
            if {[bytes [get_property OFFSET $segment]] == 0} {
                lappend ranges [bytes [get_property RANGE $segment]]
            }
        }
        if {[lindex [lsort -integer $ranges] end] < $least} {
            fail "$space: wanted $least bytes of memory from address 0, got [list $ranges]"
        }
    }
}

# A run that does not end is an error, whose lines are in the run's own log.
proc finish_run {run {last ""}} {
    if {$last eq ""} {
        launch_runs $run -jobs 4
    } else {
        launch_runs $run -to_step $last -jobs 4
    }
    wait_on_run $run
    if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
        fail "$run stopped: [get_property STATUS [get_runs $run]]"
    }
}

proc check_timing_met {run mhz} {
    foreach slack {WNS WHS} {
        set ns [get_property STATS.$slack [get_runs $run]]
        if {$ns < 0} {
            fail "timing is not met at [format %.6f $mhz] MHz: $slack is $ns ns"
        }
    }
}
