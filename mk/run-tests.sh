#!/bin/sh
# run-tests.sh COMMAND...: runs each test, a program or a script with its arguments in one word; goes on
# after a failure, fails at the end if there was one.
failed=
for test in "$@"; do
    name=${test%% *}
    name=${name##*tests/}
    echo "== $name"
    # shellcheck disable=SC2086 # the words of a command
    $test || failed="$failed $name"
done
if [ -n "$failed" ]; then
    echo "FAILED:$failed" >&2
    exit 1
fi
