# What build.tcl uses: progress on the log, and checks that stop it.

proc step {what} {
    puts "bnnedge: $what"
}

proc check_version {oldest} {
    regexp {^\d+\.\d+} [version -short] found
    if {[package vcompare $found $oldest] < 0} {
        error "ERROR: \[bnnedge\] wanted Vivado $oldest or later, got $found"
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
        error "ERROR: \[bnnedge\] $run stopped: [get_property STATUS [get_runs $run]]"
    }
}

proc check_timing_met {run clock_mhz} {
    foreach slack {WNS WHS} {
        set ns [get_property STATS.$slack [get_runs $run]]
        if {$ns < 0} {
            error "ERROR: \[bnnedge\] timing is not met at $clock_mhz MHz: $slack is $ns ns"
        }
    }
}
