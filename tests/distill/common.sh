#!/bin/sh
# For the scripts that try a program, their first argument: a folder, counters, and a data set in the folder, idx files
# of 4 x 4 images with a class for each of 10 brightnesses.
[ -x "$1" ] || { echo "usage: ${0##*/} PROGRAM" >&2; exit 2; }
program=$(realpath "$1")
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
passed=0
failed=0
skipped=0

pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    echo "FAILED: $1" >&2
}
# skip PART: what cannot be tried here; with GDKD_TEST_NO_SKIP=1 a failure.
skip() {
    if [ "${GDKD_TEST_NO_SKIP:-}" = 1 ]; then
        fail "skipped: $1"
    else
        skipped=$((skipped + 1))
        echo "skipped: $1"
    fi
}

# expect STATUS WORDS COMMAND...: its exit status, and that stderr is one line with these words.
expect() {
    wanted=$1 words=$2
    shift 2
    "$program" "$@" > "$folder/out" 2> "$folder/err"
    status=$?
    if [ "$status" != "$wanted" ]; then
        fail "$* ended with $status, not $wanted: $(cat "$folder/err")"
    elif ! grep -qF -- "$words" "$folder/err"; then
        fail "$* does not say '$words' but '$(cat "$folder/err")'"
    elif [ "$(wc -l < "$folder/err")" != 1 ]; then
        fail "$* says more than one line"
    else
        pass
    fi
}

# check NAME COMMAND...: the command succeeds.
check() {
    name=$1
    shift
    if "$@" > "$folder/said" 2>&1; then pass; else fail "$name: $(cat "$folder/said")"; fi
}

# The last line.
summary() {
    [ "$skipped" = 0 ] && parts='' || parts=", $skipped skipped"
    echo "$passed passed, $failed failed$parts"
    [ "$failed" = 0 ]
}

# --- The data set --------------------------------------------------------------------------------

# idx_files NAME COUNT: image i has label i % 10 and 16 pixels of brightness 25 * label.
# printf's %b reads a byte as a backslash, a 0 and three octal digits.
idx_files() {
    count=$(printf '\\0%03o\\0%03o' $(($2 / 256)) $(($2 % 256)))
    images="$folder/data/$1-images-idx3-ubyte" labels="$folder/data/$1-labels-idx1-ubyte"
    printf '%b' '\0000\0000\0010\0003\0000\0000' "$count" '\0000\0000\0000\0004\0000\0000\0000\0004' > "$images"
    printf '%b' '\0000\0000\0010\0001\0000\0000' "$count" > "$labels"
    for i in 0 1 2 3 4 5 6 7 8 9; do # ten images, then as often as it takes
        pixel=$(printf '\\0%03o' $((i * 25)))
        row="$pixel$pixel$pixel$pixel"
        printf '%b' "$row$row$row$row" >> "$folder/ten-images"
        printf '%b' "$(printf '\\0%03o' $i)" >> "$folder/ten-labels"
    done
    for _ in $(seq $(($2 / 10))); do
        cat "$folder/ten-images" >> "$images"
        cat "$folder/ten-labels" >> "$labels"
    done
    rm "$folder/ten-images" "$folder/ten-labels"
}
mkdir "$folder/data"
idx_files train 600
idx_files t10k 200
# shellcheck disable=SC2034 # for the scripts
data="fashion-mnist:$folder/data"

