#!/bin/sh
# cli.sh PROGRAM: gdkd-distill as a user meets it: messages, exit statuses, files. Prints "N passed, M failed".
# shellcheck source=tests/distill/common.sh
. "$(dirname "$0")/common.sh"

# --- Usage ---------------------------------------------------------------------------------------

expect 2 'a command is missing'
expect 2 "unknown command 'trian'; did you mean train?" trian
expect 2 'unknown option --tempreture; did you mean --temperature?' distill --tempreture 4
expect 2 'needs --data DATA' train
expect 2 '--batch must be from 1 to 4096, not 0' train --batch 0
expect 2 "unknown model; did you mean resnet20?" train --data "$data" --model resnet21 --out "$folder/w"
expect 2 'is no loss' compare --data "$data" --model resnet8 --teacher-model resnet8 --losses ce,qd
expect 2 'unknown data set' train --data mnist --model resnet8 --out "$folder/w"
for command in '' train distill compare eval speed; do
    # shellcheck disable=SC2086 # no word for no command
    check "help of '$command'" "$program" $command --help
done
check version "$program" --version

# --- Files ---------------------------------------------------------------------------------------

expect 1 'apt install dataset-fashion-mnist' train --data "fashion-mnist:$folder/no" --model resnet8 --out "$folder/w"
expect 1 'there is no such folder' eval --data "cifar100:$folder/no" --model resnet8 --weights "$folder/w"
expect 1 'cannot be written' train --data "$data" --model resnet8 --out "$folder/no/w.safetensors"

expect 1 'is not a regular file' train --data "$data" --model resnet8 --out "$folder"
expect 1 'training has diverged' train --data "$data" --model resnet8 --lr 100 --epochs 9 --quiet --out "$folder/d.safetensors"

check 'a small training' "$program" train --data "$data" --model resnet8 --epochs 1 --out "$folder/t.safetensors"
check 'its weights' test -s "$folder/t.safetensors"
check 'its CSV' test "$(wc -l < "$folder/t.csv")" = 2
"$program" eval --data "$data" --model resnet8 --weights "$folder/t.safetensors" > "$folder/result"
check 'top1 on a line of its own' grep -qE '^top1 [0-9]+\.[0-9]{2}$' "$folder/result"
check 'top5 on a line of its own' grep -qE '^top5 [0-9]+\.[0-9]{2}$' "$folder/result"
check 'evaluation agrees with the CSV' \
    test "$(sed -n 's/^top1 //p' "$folder/result")" = "$(awk -F, 'NR == 2 {printf "%.2f", $10}' "$folder/t.csv")"

check 'logits' "$program" eval --data "$data" --model resnet8 --weights "$folder/t.safetensors" --logits "$folder/l.npy"
images=$(($(wc -c < "$folder/data/t10k-labels-idx1-ubyte") - 8))
check 'a row of ten logits for each image' test "$(wc -c < "$folder/l.npy")" = $((128 + images * 10 * 4))

expect 1 'looks like a resnet8' eval --data "$data" --model resnet20 --weights "$folder/t.safetensors"
head -c 20000 "$folder/t.safetensors" > "$folder/cut.safetensors"
expect 1 'the file is cut off' eval --data "$data" --model resnet8 --weights "$folder/cut.safetensors"
expect 1 'not a safetensors file' eval --data "$data" --model resnet8 --weights "$folder/t.csv"
cp "$folder/data/t10k-images-idx3-ubyte" "$folder/whole"
head -c 1000 "$folder/whole" > "$folder/data/t10k-images-idx3-ubyte"
expect 1 'ends too early' eval --data "$data" --model resnet8 --weights "$folder/t.safetensors"
cp "$folder/whole" "$folder/data/t10k-images-idx3-ubyte"

# --- The same seed, the same bits ----------------------------------------------------------------

distill() {
    "$program" distill --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 --model resnet8 \
        --loss gdkd --warmup 1 --epochs 1 --quiet "$@"
}
check 'a distillation' distill --out "$folder/a.safetensors"
check 'the same again' distill --threads 1 --out "$folder/b.safetensors"
check 'the same weights' cmp "$folder/a.safetensors" "$folder/b.safetensors"
check 'once more, with more threads than cores' distill --threads 5 --out "$folder/b.safetensors"
check 'still the same weights' cmp "$folder/a.safetensors" "$folder/b.safetensors"
check 'another seed' distill --seed 2 --out "$folder/b.safetensors"
if cmp -s "$folder/a.safetensors" "$folder/b.safetensors"; then fail 'another seed gives the same weights'; else pass; fi
check 'every term in the CSV' grep -qE '^1,0\.05(,[0-9.]+){12}$' "$folder/a.csv"

# A checkpoint knows its teacher by the weights, not by the name of the file.
cp "$folder/a.safetensors" "$folder/other.safetensors"
expect 1 'belongs to another run' distill --data "$data" --teacher "$folder/other.safetensors" --teacher-model resnet8 \
    --model resnet8 --loss gdkd --warmup 1 --epochs 1 --quiet --out "$folder/a.safetensors" --resume

# --- Comparison ----------------------------------------------------------------------------------

compare() {
    "$program" compare --data "$data" --teacher-model resnet8 --model resnet8 --losses ce,gdkd:k=2 --seeds 1,2 \
        --warmup 1 --epochs 1 --out-dir "$folder/compare" "$@"
}
compare > "$folder/table" 2> "$folder/err"
check 'a table with both losses' test "$(grep -cE '^(ce|gdkd:k=2) +2 ' "$folder/table")" = 2
check 'a report' grep -q '</html>' "$folder/compare/report.html"
check 'a report without links' test "$(grep -cE 'https?:|<script|<link|src=' "$folder/compare/report.html")" = 0
compare > "$folder/table" 2> "$folder/err"
check 'the teacher is reused' grep -q 'is reused' "$folder/err"
compare --limit 300 > "$folder/table" 2> "$folder/err"
check 'another teacher is not' grep -q 'training afresh' "$folder/err"

"$program" speed --model resnet8 --batch 4 --quiet > "$folder/result"
check 'images per second on a line of its own' grep -qxE 'images_per_second [0-9]+\.[0-9]' "$folder/result"

# --- Ctrl-C --------------------------------------------------------------------------------------

# A background process of a script ignores SIGINT unless it catches it itself, as this program does.
"$program" train --data "$data" --model resnet8 --epochs 10000 --out "$folder/c.safetensors" > "$folder/out" 2> "$folder/err" &
child=$!
tries=0
while [ ! -s "$folder/c.csv" ] && [ $tries -lt 300 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
kill -INT $child
wait $child
status=$?
check 'status 130 after Ctrl-C' test $status = 130
check 'a line that says where the weights are' grep -q "interrupted in epoch .*c.safetensors; .*--resume" "$folder/err"
check 'weights that can be used' "$program" eval --data "$data" --model resnet8 --weights "$folder/c.safetensors"
check 'no temporary file' test -z "$(find "$folder" -name '*.part*')"

summary
