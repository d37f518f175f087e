#!/bin/sh
# run-tests.sh COMMAND...: runs each test, a program or a script with its arguments in one word; goes on
# after a failure, fails at the end if there was one.
# Check ends a test after 4 seconds: too few where other programs want the processors too.
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-60}"
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
