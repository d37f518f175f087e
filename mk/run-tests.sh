#!/bin/sh
# run-tests.sh COMMAND...: runs each test, a program or a script with its arguments in one word, two at a time unless
# GDKD_TEST_JOBS says otherwise. What a test has said appears when it ends. Goes on after a failure, fails at the end if
# there was one.
# Check ends a test after 4 seconds: too few where other programs want the processors too.
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-60}"

if [ -n "${GDKD_TEST_FOLDER:-}" ]; then # called by xargs below, for one test
    name=${1%% *}
    name=${name##*tests/}
    said="$GDKD_TEST_FOLDER/$$"
    begun=$(date +%s)
    # shellcheck disable=SC2086 # the words of a command
    $1 > "$said" 2>&1 || echo "$name" >> "$GDKD_TEST_FOLDER/failed"
    { echo "== $name, $(($(date +%s) - begun)) s"; cat "$said"; } > "$said.all"
    exec cat "$said.all"
fi

GDKD_TEST_FOLDER=$(mktemp -d) || exit 1
trap 'rm -rf "$GDKD_TEST_FOLDER"' EXIT
export GDKD_TEST_FOLDER
printf '%s\n' "$@" | xargs -d '\n' -n 1 -P "${GDKD_TEST_JOBS:-2}" "$0" || exit 1
if [ -e "$GDKD_TEST_FOLDER/failed" ]; then
    echo "FAILED: $(tr '\n' ' ' < "$GDKD_TEST_FOLDER/failed")" >&2
    exit 1
fi
