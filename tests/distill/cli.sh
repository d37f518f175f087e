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
expect 2 'kd:k=3: k has no effect on kd' compare --data "$data" --model resnet8 --teacher-model resnet8 --losses kd:k=3
expect 2 'unknown data set' train --data imagenet --model resnet8 --out "$folder/w"
for command in '' train distill compare eval data speed report; do
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
(cd "$folder" && "$program" train --data "$data" --model resnet8 --epochs 1 --quiet --out n.safetensors > out)
check 'the CSV of a name of one letter' test -s "$folder/n.csv"
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
"$program" distill --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 --model resnet8 \
    --loss dkd --warmup 20 --epochs 1 --out "$folder/b.safetensors" > "$folder/out" 2> "$folder/err"
check 'a warm-up longer than the run is told' grep -q 'the distillation reaches 5 % of its weight' "$folder/err"
"$program" distill --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 --model resnet8 \
    --loss gdkd --k 10 --warmup 1 --epochs 1 --out "$folder/b.safetensors" > "$folder/out" 2> "$folder/err"
check 'no class outside the top group is told' grep -q 'k is 10, and there are 10 classes' "$folder/err"
check 'every term in the CSV' grep -qE '^1,0\.05(,[0-9.]+){12}$' "$folder/a.csv"

# A checkpoint knows its teacher by the weights, not by the name of the file.
cp "$folder/a.safetensors" "$folder/other.safetensors"
expect 1 'belongs to another run' distill --data "$data" --teacher "$folder/other.safetensors" --teacher-model resnet8 \
    --model resnet8 --loss gdkd --warmup 1 --epochs 1 --quiet --out "$folder/a.safetensors" --resume
# Its images by what is in them, and a number by all of its digits.
mkdir "$folder/changed"
cp "$folder"/data/* "$folder/changed"
printf 'x' | dd of="$folder/changed/train-images-idx3-ubyte" bs=1 seek=1000 conv=notrunc 2> "$folder/err"
expect 1 'belongs to another run' distill --data "fashion-mnist:$folder/changed" --teacher "$folder/t.safetensors" \
    --teacher-model resnet8 --model resnet8 --loss gdkd --warmup 1 --epochs 1 --quiet --out "$folder/a.safetensors" --resume
expect 1 'belongs to another run' distill --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 \
    --model resnet8 --loss gdkd --warmup 1 --epochs 1 --quiet --out "$folder/a.safetensors" --resume --lr 0.0500000001

"$program" distill --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 --model resnet8 \
    --loss kd --k 3 --temperature 2 --epochs 1 --out "$folder/b.safetensors" > "$folder/out" 2> "$folder/err"
check 'an option that the loss has no use for is told' \
    test "$(grep 'no effect' "$folder/err")" = '--k has no effect on kd'

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
check 'no word of an option that one of the losses uses' test -z "$(grep 'no effect' "$folder/err")"
check 'the teacher is reused' grep -q 'is reused' "$folder/err"
compare --limit 300 > "$folder/table" 2> "$folder/err"
check 'another teacher is not' grep -q 'training afresh' "$folder/err"

# Every loss that the help lists, and more than one of a kind.
losses=$("$program" compare --help | sed -n '/^Losses:/,$ s/^  \([a-z][a-z0-9-]*\) .*/\1/p' | tr '\n' ',')
check 'fourteen losses' test "$(echo "$losses" | tr -cd , | wc -c)" = 14
for class in 1 2 3 4 5 6 7 8 9 1; do echo $class; done > "$folder/k"
for group in 0 0 1 0 0 1 0 0 0 0; do echo $group; done > "$folder/g"
all="${losses}gdkd:k-file=$folder/k,gdkd:kl=symmetric,gdkd-autow:mass=top,ls-gdkd:standardize=groups,kd:teacher-temperature=2"
"$program" compare --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 --model resnet8 --losses "$all" \
    --groups "$folder/g" --seeds 1 --epochs 1 --limit 128 --out-dir "$folder/all" > "$folder/table" 2> "$folder/err"
check 'a row for each of them' test "$(grep -cE '^[a-z].* +1 +[0-9.]+ +[0-9.]+ ' "$folder/table")" = 19
check 'two steps of each' test "$(awk -F, 'FNR == 2 && $3 > 0 {n++} END {print n}' "$folder"/all/*.csv)" = 19
check 'no word of a warm-up that is too long' test -z "$(grep warm-up "$folder/err")"
head -n 9 "$folder/k" > "$folder/nine"
expect 1 'holds 9 numbers, but there are 10 classes' distill --data "$data" --teacher "$folder/t.safetensors" \
    --teacher-model resnet8 --model resnet8 --loss gdkd --k-file "$folder/nine" --quiet --out "$folder/nine.safetensors"
expect 2 'skd wants --groups FILE' distill --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 \
    --model resnet8 --loss skd --quiet --out "$folder/skd.safetensors"

# Students of few images, a teacher of all: what --student-limit says is what --limit gives a student of a teacher from a file.
"$program" compare --data "$data" --teacher-model resnet8 --model resnet8 --losses ce,kd --seeds 1 --epochs 1 --quiet \
    --student-limit 100 --out-dir "$folder/few" > "$folder/table"
check 'students of 100 images' grep -q '"train-images":.100,' "$folder/few/kd-seed1.run.json"
check 'tested on all' test "$(wc -c < "$folder/few/kd-seed1.logits.npy")" = $((128 + images * 10 * 4))
check 'a teacher of all' test "$(sed -n 's/^top1 //p' "$folder/result")" = "$(sed -n 's/^teacher .*top-1 \([0-9.]*\) .*/\1/p' "$folder/table")"
check 'one sentence on top' test "$(head -1 "$folder/table" | grep -cE '^Seen on the test images, .* above .*\.$')" = 1
check 'the same in summary.txt' test "$(grep -v '^report' "$folder/table" | sed '$d')" = "$(cat "$folder/few/summary.txt")"
check 'and on the page' grep -qF "$(head -n 1 "$folder/few/summary.txt")" "$folder/few/report.html"

# With --resume, options of another run are refused before anything of the first one is changed; a report that cannot be
# written costs no student.
mkdir "$folder/config"
cp "$folder/compare/config.json" "$folder/config/before.json"
expect 1 'belongs to another run' compare --data "$data" --teacher-model resnet8 --model resnet8 --losses ce,gdkd:k=2 --seeds 1,2 \
    --warmup 1 --epochs 1 --limit 300 --quiet --out-dir "$folder/compare" --resume --teacher "$folder/compare/teacher.safetensors" --lr 0.1
check 'the configuration of the runs that are there' cmp "$folder/compare/config.json" "$folder/config/before.json"
mkdir "$folder/blocked" "$folder/blocked/report.html"
expect 1 'report.html is not a regular file' compare --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 \
    --model resnet8 --losses ce,gdkd:k=2 --seeds 1 --warmup 1 --epochs 1 --quiet --out-dir "$folder/blocked"
check 'all students without a report' test -s "$folder/blocked/gdkd-k=2-seed1.safetensors"

# --- Report --------------------------------------------------------------------------------------

# What the runs left is enough: the same page as compare's own, without the data and the weights.
mkdir "$folder/moved"
cp "$folder"/compare/*.run.json "$folder"/compare/*.csv "$folder"/compare/*.npy "$folder/moved"
"$program" report "$folder/moved" > "$folder/result" 2> "$folder/err"
check 'a report of what lies there' grep -qx "report: $folder/moved/report.html" "$folder/result"
check 'the page of compare' cmp "$folder/moved/report.html" "$folder/compare/report.html"
check 'another place' "$program" report "$folder/moved/ce-seed1.run.json" --out "$folder/one.html"
check 'a page about one run' grep -q 'ce, seed 1<td>1<td>' "$folder/one.html"
check 'names of classes' grep -q 'T-shirt/top' "$folder/one.html"
mkdir "$folder/runs"
check 'a run of distill' distill --log "$folder/elsewhere.csv" --out "$folder/runs/a.safetensors"
check 'and one of train' "$program" train --data "$data" --model resnet8 --epochs 2 --quiet --out "$folder/runs/b.safetensors"
check 'a report of both' "$program" report "$folder/runs"
check 'the teacher beside its student' grep -q '<h2>Student and teacher' "$folder/runs/report.html"
check 'the same number as the CSV' grep -q "ce, seed 1<td>2<td>$(awk -F, 'NR == 3 {printf "%.2f", $10}' "$folder/runs/b.csv")<td>" \
    "$folder/runs/report.html"

echo "{\"out\": \"$folder/configured.html\", \"epochs\": 3}" > "$folder/report.json"
check 'options of report from a file' "$program" report --config "$folder/report.json" "$folder/moved"
check 'where it says' test -s "$folder/configured.html"
expect 2 'report wants folders of runs' report
expect 1 'no *.run.json there' report "$folder/data"
expect 1 'cannot be read: No such file' report "$folder/no"
expect 1 'cannot be written' report "$folder/moved" --out "$folder/no/report.html"
check 'fewer test images' "$program" train --data "$data" --limit 100 --model resnet8 --epochs 1 --quiet --out "$folder/runs/c.safetensors"
expect 1 'they do not fit into one report' report "$folder/runs"
rm "$folder/moved/report.html"
head -c 200 "$folder/compare/ce-seed2.csv" > "$folder/moved/ce-seed2.csv"
expect 1 'ce-seed2.csv is cut off in line 2' report "$folder/moved"
check 'no page of half the runs' test ! -e "$folder/moved/report.html"

# Without Python's packages, or without the program, the runs are as good; how to make the page is said.
mkdir "$folder/no-packages" "$folder/alone"
echo 'raise ImportError("No module named matplotlib")' > "$folder/no-packages/matplotlib.py"
pageless() {
    "$1" compare --data "$data" --teacher "$folder/t.safetensors" --teacher-model resnet8 --model resnet8 --losses ce --seeds 1 \
        --epochs 1 --quiet --out-dir "$folder/pageless" > "$folder/result"
}
export PYTHONPATH="$folder/no-packages"
check 'a comparison without a page' pageless "$program"
check 'why there is none' grep -q 'no report: No module named matplotlib: .* are needed' "$folder/result"
check 'how to make it' grep -qF "gdkd-distill report $folder/pageless" "$folder/result"
check 'all that a run leaves' test -s "$folder/pageless/ce-seed1.run.json"
expect 1 'No module named matplotlib' report "$folder/pageless"
unset PYTHONPATH
cp "$program" "$folder/alone"
check 'a comparison without the program' pageless "$folder/alone/gdkd-distill"
check 'what it needs' grep -q 'no report: gdkd-report does not run here: .*python3-matplotlib' "$folder/result"
check 'the page, later' "$program" report "$folder/pageless"

# --- Speed ---------------------------------------------------------------------------------------

"$program" speed --model resnet8 --batch 4 --quiet > "$folder/result"
check 'images per second on a line of its own' grep -qxE 'images_per_second [0-9]+\.[0-9]' "$folder/result"
check 'with a distilling loss' "$program" speed --model resnet8 --batch 4 --quiet --loss gdkd
expect 2 '--loss must be one of' speed --model resnet8 --batch 4 --loss gdk

# --- Images of one's own -------------------------------------------------------------------------

# One pixel each, written by another program: red and blue.
head='iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42m'
for class in red blue; do
    [ $class = red ] && tail='P4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC' || tail='NgYPgPAAEDAQA2dBFAAAAAAElFTkSuQmCC'
    mkdir -p "$folder/own/train/$class" "$folder/own/test/$class"
    echo "$head$tail" | base64 -d > "$folder/$class.png"
    for i in 1 2 3 4 5 6; do cp "$folder/$class.png" "$folder/own/train/$class/$i.png"; done
    cp "$folder/$class.png" "$folder/own/test/$class/1.png"
done
own="images:$folder/own"
"$program" data --data "$own" --image-size 8 > "$folder/result"
check 'both classes' grep -qx 'class 0 blue' "$folder/result"
check 'the size' grep -qx 'image 3 x 8 x 8' "$folder/result"
check 'the mean of half red, half blue' grep -qx 'mean 0.500000 0.000000 0.500000' "$folder/result"
"$program" data --data "$own" --list > "$folder/result"
printf '0\t0\tblue/1.png\n1\t0\tblue/2.png\n' > "$folder/first"
check 'the list of the images' test "$(head -2 "$folder/result")" = "$(cat "$folder/first")"
check 'training on them' "$program" train --data "$own" --image-size 8 --model resnet8 --epochs 3 --batch 4 --quiet \
    --out "$folder/own.safetensors"
check 'evaluation on them' "$program" eval --data "$own" --image-size 8 --model resnet8 --weights "$folder/own.safetensors" \
    --split train --logits "$folder/own.npy"
check 'comparison on them' "$program" compare --data "$own" --image-size 8 --model resnet8 --teacher-model resnet8 \
    --teacher "$folder/own.safetensors" --losses ce,gdkd:k=1 --seeds 1 --epochs 1 --out-dir "$folder/own-compare"
check 'a report on them, with the names of the folders' grep -q '>blue<' "$folder/own-compare/report.html"
expect 2 '--image-size is for images:DIR' data --data "$data" --image-size 8
expect 2 'and images:DIR' data --data photos
expect 1 'cannot be read: No such file or directory' data --data "images:$folder/nowhere"
head -c 50 "$folder/red.png" > "$folder/own/train/red/3.png"
expect 1 'own/train/red/3.png cannot be decoded as PNG' data --data "$own"
cp "$folder/red.png" "$folder/own/train/red/3.png"
mkdir "$folder/own/test/green"
expect 1 'has no folder green as' data --data "$own"
rmdir "$folder/own/test/green"

# --- A teacher's logits --------------------------------------------------------------------------

set -- --data "$own" --image-size 8 --model resnet8 --batch 4 --epochs 2 --warmup 1
"$program" distill "$@" --loss kd --teacher-logits "$folder/own.npy" --out "$folder/from-logits.safetensors" \
    > "$folder/result" 2> "$folder/err"
check 'distillation from logits' test -s "$folder/from-logits.safetensors"
check 'it says that images are not augmented' grep -q 'not augmented' "$folder/err"
"$program" compare "$@" --losses ce,kd --seeds 1 --teacher-logits "$folder/own.npy" --out-dir "$folder/logits" \
    > "$folder/result" 2> "$folder/err"
check 'comparison from logits' grep -q 'own.npy: top-1 .* % on the training images' "$folder/result"
check 'its report' grep -q 'own.npy' "$folder/logits/report.html"
expect 1 'holds 12 x 2 logits' distill "$@" --loss kd --teacher-logits "$folder/own.npy" --limit 6 --out "$folder/w"
expect 1 "NumPy's magic" distill "$@" --loss kd --teacher-logits "$folder/own.csv" --out "$folder/w"
expect 2 'exclude each other' distill "$@" --loss kd --teacher-logits "$folder/own.npy" --teacher t --out "$folder/w"
expect 2 'needs --teacher FILE, or --teacher-logits' distill "$@" --loss kd --out "$folder/w"

# --- Options from files and presets --------------------------------------------------------------

check 'what was used is beside the results' grep -q '"temperature":.4' "$folder/from-logits.config.json"
check 'the same again' "$program" distill --config "$folder/from-logits.config.json" --quiet --out "$folder/again.safetensors"
check 'the same weights from the file' cmp "$folder/from-logits.safetensors" "$folder/again.safetensors"
mkdir "$folder/cifar"
for part in train test; do head -c 12296 /dev/zero > "$folder/cifar/$part.bin"; done # 4 images
seq 100 > "$folder/cifar/fine_label_names.txt"
check 'classes with names' "$program" train --data "cifar100:$folder/cifar" --model resnet8 --epochs 1 --out "$folder/c100.safetensors"
"$program" data --data "cifar100:$folder/cifar" > "$folder/result" 2> "$folder/err"
check 'a set that is not whole is told' grep -qx "cifar100:$folder/cifar has 4 test images, where the whole set has 10000" "$folder/err"
"$program" data --data "cifar100:$folder/cifar" --limit 2 > "$folder/result" 2> "$folder/err"
check 'a limit is nothing to tell' test ! -s "$folder/err"
check 'images of a size of their own' "$program" train --config "$folder/c100.config.json" --quiet --out "$folder/c101.safetensors"
check 'so it is with compare' "$program" compare --config "$folder/logits/config.json" --quiet --out-dir "$folder/logits2"
check 'the same students' cmp "$folder/logits/kd-seed1.safetensors" "$folder/logits2/kd-seed1.safetensors"
check 'the limit of the memory that a teacher has' grep -q '"teacher-memory":.1024' "$folder/compare/config.json"
check 'none where no teacher is asked' test "$(grep -c 'teacher-memory' "$folder/logits/config.json")" = 0
check 'no option of another loss' test "$(grep -cE '"(k|w0|w1|w2|alpha|beta)"' "$folder/from-logits.config.json")" = 0
check 'nor beside the comparison' test "$(grep -cE '"(k|w0|w1|w2|alpha|beta)"' "$folder/logits/config.json")" = 0
cat > "$folder/shared.json" << END
{"data": "$data", "model": "resnet8", "epochs": 1, "quiet": true, "out": "$folder/shared.safetensors",
 "teacher": "$folder/t.safetensors", "teacher-model": "resnet8", "loss": "kd", "weights": "$folder/shared.safetensors"}
END
for command in train distill eval; do check "one file for $command" "$program" $command --config "$folder/shared.json"; done
echo '{"epohcs": 3}' > "$folder/run.json"
expect 2 'unknown key "epohcs"; did you mean "epochs"?' train --config "$folder/run.json"
echo '{"epochs": "3"}' > "$folder/run.json"
expect 2 'run.json: "epochs" wants a number, not a string' train --config "$folder/run.json"
expect 1 'cannot be opened' train --config "$folder/nowhere.json"
expect 2 'must be one of res56-res20' distill --preset res56-res21
"$program" distill --help > "$folder/result"
check 'the help names the presets' grep -q wrn40_2-wrn16_2 "$folder/result"
check 'a preset' "$program" distill --data "$own" --image-size 8 --preset res56-res20 --epochs 1 --loss gdkd --model resnet8 \
    --teacher-logits "$folder/own.npy" --quiet --out "$folder/preset.safetensors"
check 'its weights, but for what was given' \
    test "$(grep -cE '"(w2":.1|schedule":."step"|epochs":.1|model":."resnet8"),' "$folder/preset.config.json")" = 4

# --- What is read is not written over --------------------------------------------------------------

cp "$folder/t.safetensors" "$folder/keep.safetensors"
ln -sf keep.safetensors "$folder/link.safetensors"
refuse() { # WORDS COMMAND...: a usage error that leaves the teacher as it is
    expect 2 "$@"
    check "$1: the file is as before" cmp "$folder/t.safetensors" "$folder/keep.safetensors"
}
from() { printf '%s ' --data "$data" --model resnet8 --teacher-model resnet8 --quiet --teacher "$1"; }
# shellcheck disable=SC2046 # the words of a command
{
    refuse 'keep.safetensors would be overwritten; give another --out' \
        distill --loss kd $(from "$folder/keep.safetensors") --out "$folder/keep.safetensors"
    refuse 'link.safetensors would be overwritten; give another --out' \
        distill --loss ce $(from "$folder/link.safetensors") --out "$folder/../${folder##*/}/keep.safetensors"
    refuse 'would be overwritten; give another --log' \
        distill --loss kd $(from "$folder/keep.safetensors") --out "$folder/w" --log "$folder/keep.safetensors"
    cp "$folder/keep.safetensors" "$folder/compare/kd-seed1.safetensors"
    refuse 'would be overwritten; give another --out-dir' \
        compare --losses kd $(from "$folder/compare/kd-seed1.safetensors") --out-dir "$folder/compare"
    check 'so is that of a comparison' cmp "$folder/t.safetensors" "$folder/compare/kd-seed1.safetensors"
}
refuse 'would be overwritten; give another --logits' eval --data "$data" --model resnet8 \
    --weights "$folder/keep.safetensors" --logits "$folder/keep.safetensors"
cp "$folder/a.config.json" "$folder/keep.config.json"
expect 2 '--config '"$folder"'/keep.config.json would be overwritten' \
    distill --config "$folder/keep.config.json" --out "$folder/keep.safetensors" --teacher "$folder/t.safetensors"
expect 2 'is another file of this run too; give another --log' \
    train --data "$data" --model resnet8 --out "$folder/w.safetensors" --log "$folder/w.checkpoint"
for ending in logits.npy safetensors checkpoint config.json; do
    expect 2 'is no page and would be overwritten' report "$folder/runs/a.run.json" --out "$folder/runs/a.$ending"
done
set -- --model resnet8 --epochs 1 --quiet
cp "$folder/cifar/train.bin" "$folder/keep.bin"
expect 2 "cifar/train.bin belongs to --data cifar100:$folder/cifar; give another --out" \
    train "$@" --data "cifar100:$folder/cifar" --out "$folder/cifar/train.bin"
expect 2 'cifar/train.bin belongs to --data' \
    train "$@" --data "cifar100:$folder/cifar" --out "$folder/w.safetensors" --log "$folder/cifar/train.bin"
check 'the data are as before' cmp "$folder/cifar/train.bin" "$folder/keep.bin"
expect 2 'red/1.png belongs to --data' eval --data "$own" --model resnet8 --weights "$folder/own.safetensors" \
    --logits "$folder/own/test/red/1.png"
check 'so is the image' cmp "$folder/own/test/red/1.png" "$folder/red.png"
expect 2 'give another --out-dir' compare "$@" --data "$own" --teacher-model resnet8 --out-dir "$folder/own/train/results"
check 'no class of results' test ! -e "$folder/own/train/results"
check 'a run goes on with the options that it left' "$program" distill --config "$folder/a.config.json" --resume
check 'and leaves them alone' cmp "$folder/a.config.json" "$folder/keep.config.json"

# --- Ctrl-C --------------------------------------------------------------------------------------

epoch_done() { # CSV: of a run in the background; then it listens to signals
    tries=0
    while [ ! -s "$1" ] && [ $tries -lt 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}
# A background process of a script ignores SIGINT, and this program leaves that so; a user's does not.
env --default-signal=INT "$program" train --data "$data" --model resnet8 --epochs 10000 --out "$folder/c.safetensors" > "$folder/out" 2> "$folder/err" &
child=$!
epoch_done "$folder/c.csv"
kill -INT $child
wait $child
status=$?
check 'status 130 after Ctrl-C' test $status = 130
check 'a line that says where the weights are' grep -q "interrupted in epoch .*c.safetensors; .*--resume" "$folder/err"
check 'weights that can be used' "$program" eval --data "$data" --model resnet8 --weights "$folder/c.safetensors"
# Who had it ignore a signal, as nohup and a script's & do, is not overruled.
(trap '' HUP INT; exec "$program" train --data "$data" --model resnet8 --epochs 10000 --out "$folder/i.safetensors") \
    > "$folder/out" 2> "$folder/err" &
child=$!
epoch_done "$folder/i.csv"
kill -INT $child
kill -HUP $child
sleep 0.5
check 'signals that are ignored stay so' kill -0 $child
kill -TERM $child
wait $child
check 'status 130 after SIGTERM' test $? = 130
check 'no temporary file' test -z "$(find "$folder" -name '*.part*')"

summary
