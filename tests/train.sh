#!/bin/sh
# train.sh PROGRAM: examples/train.c as a user meets it: gradients, a tiny run, messages. Prints "N passed, M failed".
# shellcheck source=tests/distill/common.sh
. "$(dirname "$0")/distill/common.sh"

check 'the gradients of three losses agree' "$program" --check
check 'and are told' test "$("$program" --check | grep -c '^gradient of .*: off by [0-9.]*e-0[4-9] of its length$')" = 3

# Images that any network tells apart: of 16 pixels, the one of the label is white. Chance is 10 %.
white_pixels() {
    file="$folder/data/$1-images-idx3-ubyte"
    head -c 16 "$file" > "$folder/images"
    black='\0000\0000\0000\0000\0000\0000\0000\0000\0000\0000\0000\0000\0000\0000\0000'
    for i in $(seq 0 $(($2 - 1))); do
        before=$((i % 10 * 5))
        printf '%b' "$(printf '%s' "$black" | head -c "$before")\0377$(printf '%s' "$black" | tail -c +$((before + 1)))"
    done >> "$folder/images"
    mv "$folder/images" "$file"
}
white_pixels train 600
white_pixels t10k 200
run() {
    said="$folder/$1.txt"
    shift
    "$program" --data "$folder/data" --images 60 --epochs 400 --seeds 2 "$@" > "$said" 2>&1
}
check 'a tiny run' run first
check 'the teacher has learnt' grep -qE '^teacher, 600 images: ([5-9][0-9]|100)\.' "$folder/first.txt"
check 'all students have learnt' test "$(grep -cE '^    (labels alone|KD|GDKD) +([5-9][0-9]|100)\.' "$folder/first.txt")" = 3
check 'the same again' run second
check 'the same figures' cmp "$folder/first.txt" "$folder/second.txt"

# Where the students' labels are wrong, all of them by one, the teacher, who has seen 540 right ones, is still right:
# students of labels alone follow the labels, those of KD the teacher, and each image has its own row of logits.
mkdir "$folder/wrong"
cp "$folder"/data/* "$folder/wrong"
{
    head -c 8 "$folder/data/train-labels-idx1-ubyte"
    tail -c +10 "$folder/data/train-labels-idx1-ubyte" | head -c 60
    tail -c +69 "$folder/data/train-labels-idx1-ubyte"
} > "$folder/wrong/train-labels-idx1-ubyte"
check 'a run with wrong labels' run wrong --data "$folder/wrong"
check 'labels alone: wrong' grep -qE '^    labels alone +[0-4]?[0-9]\.' "$folder/wrong.txt"
check 'KD: right' grep -qE '^    KD +([5-9][0-9]|100)\.' "$folder/wrong.txt"

check 'packed files' gzip -r "$folder/data"
check 'a run on them' run packed
check 'their figures' cmp "$folder/first.txt" "$folder/packed.txt"

# --- Messages ------------------------------------------------------------------------------------

expect 2 '--seds 3: not among --check, --data FOLDER, --images N, --epochs N, --seeds N' --seds 3
expect 2 '--seeds 0: not' --seeds 0
expect 2 '--epochs 3x: not' --epochs 3x
expect 2 '--images : not' --images
expect 2 '--data : not' --data
expect 1 'apt install dataset-fashion-mnist' --data "$folder/no"
zcat "$folder/data/train-images-idx3-ubyte.gz" > "$folder/whole"
mkdir "$folder/bad"
cp "$folder"/data/* "$folder/bad"
rm "$folder/bad/train-images-idx3-ubyte.gz"
bad="$folder/bad/train-images-idx3-ubyte"
for bytes in 0 3 15 16 9000; do
    head -c "$bytes" "$folder/whole" > "$bad"
    expect 1 'is cut off or damaged' --data "$folder/bad"
done
head -c 3000 "$folder/data/train-images-idx3-ubyte.gz" > "$bad.gz"
head -c 60 "$bad.gz" > "$bad"
expect 1 'is cut off or damaged' --data "$folder/bad"
cp "$folder/whole" "$bad"
printf '\001' | dd of="$bad" bs=1 seek=4 conv=notrunc 2> "$folder/err" # 2^24 records
expect 1 'is no idx file of up to 100000 records' --data "$folder/bad"
zcat "$folder/data/train-labels-idx1-ubyte.gz" > "$bad"
expect 1 'is no idx file' --data "$folder/bad"
cp "$folder/whole" "$bad"
rm "$folder/bad/train-labels-idx1-ubyte.gz"
labels="$folder/bad/train-labels-idx1-ubyte"
zcat "$folder/data/t10k-labels-idx1-ubyte.gz" > "$labels"
expect 1 '200 labels of 600 images' --data "$folder/bad"
cat "$labels" "$labels" "$labels" | tail -c 600 > "$folder/more"
{ zcat "$folder/data/train-labels-idx1-ubyte.gz" | head -c 6; printf '\004\000'; cat "$folder/more" "$folder/more"; } > "$labels"
expect 1 '1024 labels of 600 images' --data "$folder/bad"
zcat "$folder/data/train-labels-idx1-ubyte.gz" > "$labels"
printf '\012' | dd of="$labels" bs=1 seek=9 conv=notrunc 2> "$folder/err"
expect 1 'label 10 of image 1' --data "$folder/bad"

summary
