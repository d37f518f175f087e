#!/bin/sh
# kill.sh PROGRAM [RUNS]: RUNS distillations, and as many comparisons that train their teacher themselves, which are
# killed at random moments until they come to their end, and must give the same bytes as one in one piece. A signal in
# three is SIGTERM or SIGINT: then the program ends by itself and says how to go on. Prints "N passed, M failed" and the
# seed, for KILL_SEED=.
runs=${2:-1}
# shellcheck source=tests/distill/common.sh
. "$(dirname "$0")/common.sh"

# In the place of the shell that calls it: the process to be killed is the program itself. A shell has its children in
# the background ignore SIGINT, which would have no effect before the program listens.
distill() { # NAME [--resume]
    name=$1
    shift
    exec env --default-signal=INT "$program" distill --data "$data" --teacher "$folder/teacher.safetensors" --teacher-model resnet8 \
        --model resnet8 --loss gdkd --warmup 3 --batch 32 --epochs 12 --threads 2 --out "$folder/$name/student.safetensors" "$@"
}
compare() {
    name=$1
    shift
    exec env --default-signal=INT "$program" compare --data "$data" --teacher-model resnet8 --model resnet8 --losses ce,gdkd \
        --seeds 1,2 --warmup 2 --batch 32 --epochs 3 --threads 2 --out-dir "$folder/$name" "$@"
}
# The results of a run: weights and logits, and its CSVs but for the times.
results() { # NAME
    (cd "$folder/$1" && cat ./*.safetensors ./*.npy && cut -d, -f1-11 ./*.csv) > "$folder/$1.results"
    (cd "$folder/$1" && ls) > "$folder/$1.names"
}

# stop COMMAND SIGNAL SECONDS: begins or goes on with a run and ends it; whole files and a helpful last line stay behind.
# False when the run was quicker.
stop() {
    "$1" pieces --resume > "$folder/out" 2> "$folder/err" &
    child=$!
    sleep "$3"
    kill "-$2" $child 2> "$folder/said"
    wait $child 2> /dev/null
    status=$?
    [ $status != 0 ] || return 1
    case $2:$status in
    KILL:137) pass ;;
    TERM:143) pass ;; # before the program was there to listen
    *:130) # SIGINT that comes before the program listens has the same status, and nothing is said
        [ "$2:$(wc -c < "$folder/err")" = INT:0 ] ||
            check "the last line after SIG$2" eval "tail -n 1 '$folder/err' | grep -q 'interrupted .*--resume'"
        ;;
    *) fail "status $status after SIG$2: $(tail -n 1 "$folder/err")" ;;
    esac
    for weights in "$folder"/pieces/*.safetensors; do
        [ ! -e "$weights" ] ||
            check "whole weights after SIG$2" "$program" eval --data "$data" --model resnet8 --weights "$weights" --limit 10
    done
}

check 'a teacher' "$program" train --data "$data" --model resnet8 --epochs 1 --quiet --out "$folder/teacher.safetensors"
seed=${KILL_SEED:-$(date +%s)}
for command in distill compare; do
    mkdir "$folder/whole"
    begun=$(date +%s%N)
    ("$command" whole) > "$folder/out" 2> "$folder/err"
    check "$command in one piece" test $? = 0
    took=$((($(date +%s%N) - begun) / 1000000))
    results whole
    stops=0
    run=0
    while [ $run -lt "$runs" ]; do
        mkdir "$folder/pieces"
        # Moments up to two fifths of a whole run, so that a run takes about five attempts and always moves on.
        awk -v seed="$((seed + run))" -v took=$took 'BEGIN {
            srand(seed)
            split("KILL KILL KILL KILL TERM INT", signals, " ")
            for (i = 0; i < 40; i++) printf "%s %.3f\n", signals[1 + int(6 * rand())], rand() * (took * 0.4 + 100) / 1000
        }' > "$folder/moments"
        while read -r signal moment; do
            stop "$command" "$signal" "$moment" < /dev/null || break
            stops=$((stops + 1))
        done < "$folder/moments"
        ("$command" pieces --resume) > "$folder/out" 2> "$folder/err"
        check "$command resumed to the end" test $? = 0
        results pieces
        check "$command: the same results as in one piece" cmp "$folder/whole.results" "$folder/pieces.results"
        check "$command: the same files" cmp "$folder/whole.names" "$folder/pieces.names"
        rm -r "$folder/pieces"
        run=$((run + 1))
    done
    rm -r "$folder/whole"
    check "$command was stopped at least once" test $stops -ge 1
    echo "$command: $stops stops, seed $seed"
done
summary
