#!/bin/sh
# kill.sh PROGRAM [RUNS]: RUNS distillations that are killed at random moments until they come to their end, and must
# give the same bytes as one in one piece. A signal in three is SIGTERM or SIGINT: then the program ends by itself
# and says how to go on. Prints "N passed, M failed" and the seed, for KILL_SEED=.
runs=${2:-1}
# shellcheck source=tests/distill/common.sh
. "$(dirname "$0")/common.sh"

# In the place of the shell that calls it: the process to be killed is the program itself. A shell has its children in
# the background ignore SIGINT, which would have no effect before the program listens.
distill() {
    exec env --default-signal=INT "$program" distill --data "$data" --teacher "$folder/teacher.safetensors" --teacher-model resnet8 \
        --model resnet8 --loss gdkd --warmup 3 --batch 32 --epochs 12 --threads 2 "$@"
}
results() { # RUN: its logits, and its CSV but for the times
    "$program" eval --data "$data" --model resnet8 --weights "$folder/$1.safetensors" --logits "$folder/$1.npy" \
        > "$folder/$1.accuracy"
    cut -d, -f1-11 "$folder/$1.csv" > "$folder/$1.columns"
}

# stop SIGNAL SECONDS: begins or goes on with a run and ends it; whole files and a helpful last line stay behind.
# False when the run was quicker.
stop() {
    distill --out "$folder/pieces.safetensors" --resume > "$folder/out" 2> "$folder/err" &
    child=$!
    sleep "$2"
    kill "-$1" $child 2> "$folder/said"
    wait $child 2> /dev/null
    status=$?
    [ $status != 0 ] || return 1
    case $1:$status in
    KILL:137) pass ;;
    TERM:143) pass ;; # before the program was there to listen
    *:130) # SIGINT that comes before the program listens has the same status, and nothing is said
        [ "$1:$(wc -c < "$folder/err")" = INT:0 ] ||
            check "the last line after SIG$1" eval "tail -n 1 '$folder/err' | grep -q 'interrupted .*--resume'"
        ;;
    *) fail "status $status after SIG$1: $(tail -n 1 "$folder/err")" ;;
    esac
    [ ! -e "$folder/pieces.safetensors" ] || check "whole weights after SIG$1" "$program" eval --data "$data" \
        --model resnet8 --weights "$folder/pieces.safetensors" --limit 10
}

check 'a teacher' "$program" train --data "$data" --model resnet8 --epochs 1 --quiet --out "$folder/teacher.safetensors"
begun=$(date +%s%N)
(distill --out "$folder/whole.safetensors") > "$folder/out" 2> "$folder/err"
check 'a run in one piece' test -s "$folder/whole.safetensors"
took=$((($(date +%s%N) - begun) / 1000000))
results whole

seed=${KILL_SEED:-$(date +%s)}
stops=0
run=0
while [ $run -lt "$runs" ]; do
    # Moments up to two fifths of a whole run, so that a run takes about five attempts and always moves on.
    awk -v seed="$((seed + run))" -v took=$took 'BEGIN {
        srand(seed)
        split("KILL KILL KILL KILL TERM INT", signals, " ")
        for (i = 0; i < 40; i++) printf "%s %.3f\n", signals[1 + int(6 * rand())], rand() * (took * 0.4 + 100) / 1000
    }' > "$folder/moments"
    while read -r signal moment; do
        stop "$signal" "$moment" < /dev/null || break
        stops=$((stops + 1))
    done < "$folder/moments"
    (distill --out "$folder/pieces.safetensors" --resume) > "$folder/out" 2> "$folder/err"
    check 'resumed to the end' test $? = 0
    results pieces
    for suffix in safetensors columns npy accuracy; do
        check "the same $suffix as in one piece" cmp "$folder/whole.$suffix" "$folder/pieces.$suffix"
    done
    check 'no temporary file' test -z "$(find "$folder" -name '*.part*')"
    rm "$folder"/pieces.*
    run=$((run + 1))
done
check 'stopped at least once' test $stops -ge 1
echo "$stops stops, seed $seed"
summary
