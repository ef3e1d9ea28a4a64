set -u
: "${HARDSLICE_BASE:=0}"
: "${HARDSLICE_READ:=busybox devmem}"
: "${HARDSLICE_WRITE:=busybox devmem}"

fail() {
    echo "hardslice: $1" >&2
    exit 1
}

address() {
    printf '0x%x' $((HARDSLICE_BASE + $1))
}

write() { # address value
    $HARDSLICE_WRITE "$(address "$1")" 32 "$2" || fail "writing to register $1 failed: $HARDSLICE_WRITE"
}

expect() { # address mask expected polls reason
    left=$4
    while :; do
        value=$($HARDSLICE_READ "$(address "$1")" 32) || fail "reading register $1 failed: $HARDSLICE_READ"
        case $value in
            0x* | 0X* | [0-9]*) ;;
            *) fail "register $1 was read as '$value', which is not a number: $HARDSLICE_READ" ;;
        esac
        [ $((value & $2)) -eq $(($3)) ] && return 0
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "$5 at $1 should be $3 under mask $2, is $value"
    done
}
