#!/usr/bin/env bash
# Instructions per element of one call with gradient: see --help.
set -euo pipefail
shopt -s inherit_errexit

usage="Usage: bench/instructions.sh [OPTION]... [LINE]...
Counts the instructions per element of one call, gradient included, by valgrind's callgrind: the
difference of three calls and one. Idle or busy, a machine gives the same. Logits are normal, of
sigma 3; T = 4 (lskd: 2), k = 5, one thread. Write a table (TSV) to standard output.

  LINE              LOSS,DTYPE,SHAPE in the words of gdkd-bench --help: gdkd:k=50,f32,64x1000.
                    none given: those of docs/performance.md
  --build FOLDER    of which build (that of this tree): FOLDER/bin/gdkd-bench is run
  --against FOLDER  another build beside it, such as that of the tree before a change, and the
                    ratio of the first to it
  --isa NAME        scalar or avx2 (avx2); valgrind knows no AVX-512
  --help            this text

Exit status: 0; 1 when a count failed; 2 for a mistake in the command line."

lines=('gdkd,f32,'{64x10,64x100,64x1000,8x32000,1x19x4096}
       {kd,dkd,gdkd3,gdkd-reverse,gdkd-symmetric,gdkd+ce,gdkd:k=50,lskd,ls-gdkd-groups}',f32,64x1000'
       'gdkd,'{bf16,f64}',64x1000')

fail() { # STATUS MESSAGE
    echo "instructions.sh: $2" >&2
    exit "$1"
}

# Instructions of a whole run that makes so many calls.
count() { # FOLDER LINE CALLS
    local loss dtype shape said
    IFS=, read -r loss dtype shape <<<"$2"
    said=$(OMP_NUM_THREADS=1 valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1/bin/gdkd-bench" --loss "$loss" \
        --dtype "$dtype" --shape "$shape" --isa "$isa" --threads 1 --logits counted --calls "$3" 2>&1 >/dev/null) ||
        fail 1 "$2: $(grep -v '^==' <<<"$said" || echo "$said")"
    sed -n 's/^==.*Collected : \([0-9]*\)$/\1/p' <<<"$said"
}

per_element() { # FOLDER LINE
    local one three shape=${2##*,}
    one=$(count "$1" "$2" 1)
    three=$(count "$1" "$2" 3)
    awk -v calls="$((three - one))" -v elements="$((${shape//x/*}))" 'BEGIN { printf "%.2f", calls / 2 / elements }'
}

build=$(dirname "$0")/../build against='' isa=avx2 given=()
while [ $# -gt 0 ]; do
    case $1 in
    --help) echo "$usage" && exit ;;
    --build | --against | --isa)
        [ $# -gt 1 ] || fail 2 "$1 needs a value; see --help"
        declare "${1#--}=$2"
        shift
        ;;
    -*) fail 2 "there is no option $1; see --help" ;;
    *,*,*x*) given+=("$1") ;;
    *) fail 2 "'$1' is no line such as gdkd,f32,64x1000; see --help" ;;
    esac
    shift
done
[ ${#given[@]} -eq 0 ] || lines=("${given[@]}")
command -v valgrind >/dev/null || fail 1 'valgrind is missing: make deps DEV=1'
for folder in "$build" ${against:+"$against"}; do
    [ -x "$folder/bin/gdkd-bench" ] || fail 1 "$folder/bin/gdkd-bench is missing: run make in its tree"
done

printf 'loss\tdtype\tshape\tinstructions%s\n' "${against:+$'\tagainst\tratio'}"
for line in "${lines[@]}"; do
    here=$(per_element "$build" "$line")
    printf '%s\t%s' "${line//,/$'\t'}" "$here"
    if [ -n "$against" ]; then
        there=$(per_element "$against" "$line")
        awk -v here="$here" -v there="$there" 'BEGIN { printf "\t%s\t%.3f", there, here / there }'
    fi
    echo
done
