if {![llength [info commands hardslice_read]] || ![llength [info commands hardslice_write]]} {
    puts stderr "hardslice: define 'proc hardslice_read {address}' and 'proc hardslice_write {address value}' first"
    exit 1
}

proc hardslice_expect {address mask expected polls reason} {
    while {1} {
        set value [hardslice_read $address]
        if {($value & $mask) == $expected} return
        if {[incr polls -1] <= 0} break
    }
    puts stderr "hardslice: $reason at $address should be $expected under mask $mask, is [format 0x%x $value]"
    exit 1
}
