#!/bin/sh
# run.sh REPLAY CASES: gdkd-replay on every element type and instruction set, on cases that
# make_cases.py writes, and on what it must refuse: exit status and a line on stderr.
set -u
replay=$1
cases=$2
passed=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

expect() { # STATUS ARGUMENTS...
    wanted=$1
    shift
    "$replay" "$@" >"$work/out" 2>"$work/err"
    got=$?
    lines=$(wc -l <"$work/err")
    if [ "$got" -ne "$wanted" ] || { [ "$wanted" -eq 0 ] && [ "$lines" -ne 0 ]; } ||
        { [ "$wanted" -eq 2 ] && [ "$lines" -ne 1 ]; } || { [ "$wanted" -eq 1 ] && [ "$lines" -eq 0 ]; }; then
        failed=$((failed + 1))
        echo "FAILED: $* gave status $got, not $wanted" >&2
        sed 's/^/    /' "$work/err" >&2
    else
        passed=$((passed + 1))
    fi
}

for isa in scalar avx2 avx512 best; do
    if "$replay" --isa "$isa" "$cases" 2>&1 | grep -q 'does not have'; then
        continue # this machine is a smaller one
    fi
    for dtype in f64 f32 bf16 f16; do
        expect 0 "$cases" --dtype "$dtype" --isa "$isa"
    done
done
# Cases of other shapes, by another hand.
python3 "$(dirname "$0")/make_cases.py" >"$work/others" || exit 1
for dtype in f64 f32 bf16 f16; do
    expect 0 "$work/others" --dtype "$dtype"
done
expect 0 --threads 3 "$cases"
expect 0 "$cases" "$cases"
expect 0 --help
head -c 100000 "$cases" >"$work/short"
sed '0,/^loss 0x1/s//loss 0x2/' "$cases" >"$work/wrong"
sed '0,/^case kd/s//case kdd/' "$cases" >"$work/unknown"
sed '0,/^loss 0x1.*/s//loss nan/' "$cases" >"$work/nan"
sed '0,/^grad 0x1[^ ]*/s//grad inf/' "$cases" >"$work/infinite"
sed '0,/^term high/s//term low/' "$cases" >"$work/term"
expect 1 "$work/nan"
expect 1 "$work/infinite"
expect 1 "$work/term"
expect 1 "$work/short"
expect 1 "$work/wrong"
expect 1 "$work/unknown"
expect 1 "$work/missing"
expect 1 "$cases" "$work/missing"
expect 2
expect 2 "$cases" --dtype f8
expect 2 "$cases" --isa sse
expect 2 "$cases" --threads many
expect 2 "$cases" --colour
expect 2 "$cases" --threads
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
