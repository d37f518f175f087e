#!/bin/sh
# run-tests.sh PROGRAM...: runs each Check program, goes on after a failure, fails at the end if one did.
failed=
for test in "$@"; do
    echo "== ${test##*/tests/}"
    "$test" || failed="$failed ${test##*/tests/}"
done
if [ -n "$failed" ]; then
    echo "FAILED:$failed" >&2
    exit 1
fi
