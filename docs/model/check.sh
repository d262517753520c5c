#!/bin/sh
# Checks the model in a directory of its own: nothing lost, copies within the bound, every run ends; and that
# the variant without the epoch is caught. Needs spin and a C compiler. CRASHES=2 takes minutes.
set -e
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

checked() { # name, spin's options, compiler's options, pan's options
    spin $2 -DCRASHES=${CRASHES:-1} -a "$here/batch.pml" >/dev/null
    cc -O2 -w -DVECTORSZ=2048 $3 -o pan pan.c
    ./pan -m4000000 $4 >"$1.log" 2>&1 || true
    if grep -q "max search depth too small\|out of memory\|not completed" "$1.log"; then
        [ "$1" = loose ] || { cat "$1.log" >&2; exit 2; }
    fi
    sed -n 's/^State-vector.*errors: \([0-9]*\).*/\1/p' "$1.log"
}

show() {
    states=$(awk '/states, stored/ { print $1; exit }' "$1.log")
    echo "$2: $states states, errors: $3"
}

safe=$(checked safe "" "-DSAFETY -DNOCLAIM -DCOLLAPSE" "")
show safe "nothing lost, copies within the bound" "$safe"
ends=$(checked ends "" "-DNFAIR=4 -DCOLLAPSE" "-a -f -N ends")
show ends "every run ends" "$ends"
loose=$(checked loose "-DNO_EPOCH" "-DSAFETY -DNOCLAIM -DCOLLAPSE" "")
show loose "without the epoch (must fail)" "$loose"
[ "$safe" = 0 ] && [ "$ends" = 0 ] && [ "$loose" != 0 ]
