#!/bin/sh
# bad_input.sh PROGRAM: files that cannot be used and places that cannot be written to. Each gets one line and
# status 1; nothing is left behind. test_damage.c has the cuts and flipped bits of the formats; this is the program
# as a whole. Prints "N passed, M failed", and how many parts were skipped.
# shellcheck source=tests/distill/common.sh
. "$(dirname "$0")/common.sh"

train() { printf '%s ' train --model resnet8 --epochs 2 --limit 40 --quiet --data "${2:-$data}" --out "$1"; }
evaluate() { printf '%s ' eval --model resnet8 --data "${2:-$data}" --weights "$1"; }
weights="$folder/w.safetensors"
# shellcheck disable=SC2046 # the words of a command
check 'weights' "$program" $(train "$weights")

# --- Made here: copies with a fault --------------------------------------------------------------

# copy NAME: the data set once more, as $copy.
copy() {
    copy="$folder/$1"
    cp -r "$folder/data" "$copy"
}
# put FILE OFFSET BYTES: overwrites bytes, octal as printf's %b has them; a negative offset counts from the end.
put() {
    offset=$2
    [ "$offset" -ge 0 ] || offset=$(($(wc -c < "$1") + offset))
    printf '%b' "$3" | dd of="$1" bs=1 seek="$offset" conv=notrunc 2> /dev/null
}
copy cut && truncate -s -1 "$copy/t10k-images-idx3-ubyte"
copy magic && put "$copy/t10k-images-idx3-ubyte" 3 '\0001'
copy count && put "$copy/t10k-labels-idx1-ubyte" 7 '\0307'
copy huge && put "$copy/t10k-images-idx3-ubyte" 4 '\0005\0365\0341\0000'
copy label && put "$copy/t10k-labels-idx1-ubyte" 20 '\0012'
copy nested && rm "$copy/t10k-images-idx3-ubyte" && mkdir "$copy/t10k-images-idx3-ubyte"
copy gz && gzip "$copy/t10k-images-idx3-ubyte" && truncate -s -5 "$copy/t10k-images-idx3-ubyte.gz"
copy crc && gzip "$copy/t10k-images-idx3-ubyte" && put "$copy/t10k-images-idx3-ubyte.gz" -8 '\0001\0002\0003\0004'
mkdir "$folder/cifar" && head -c 5000 /dev/zero > "$folder/cifar/test.bin"
mkdir "$folder/cifar-label" && head -c 3074 /dev/zero | tr '\0' '\144' > "$folder/cifar-label/test.bin"
mkdir "$folder/cifar-coarse" && head -c 3074 /dev/zero | tr '\0' '\024' > "$folder/cifar-coarse/test.bin"
mkdir "$folder/cifar-empty" && : > "$folder/cifar-empty/test.bin"
for name in nan infinite half empty zip; do cp "$weights" "$folder/$name.safetensors"; done
put "$folder/nan.safetensors" -4 '\0000\0000\0300\0177'
put "$folder/infinite.safetensors" -400 '\0000\0000\0200\0377'
truncate -s 200000 "$folder/half.safetensors"
truncate -s 0 "$folder/empty.safetensors"
put "$folder/zip.safetensors" 0 'PK\0003\0004\0024\0000\0000\0000\0010\0000'
resumed() { # NAME: a finished run, to be damaged and resumed
    cp "$folder/w.checkpoint" "$folder/$1.checkpoint"
}
for name in c-cut c-flip c-zip; do resumed $name; done
truncate -s -100 "$folder/c-cut.checkpoint"
put "$folder/c-flip.checkpoint" -5000 '\0001\0002\0003'
cp "$weights" "$folder/c-zip.checkpoint"
mkdir "$folder/c-folder.checkpoint" "$folder/c-csv.csv"
: > "$folder/file"
mkfifo "$folder/pipe"
copy endless && ln -sf /dev/zero "$copy/train-images-idx3-ubyte"

# --- The table: words of the message, and the command --------------------------------------------

while IFS='|' read -r words command; do
    # shellcheck disable=SC2086 # the words of a command
    expect 1 "$words" $command
done << END
t10k-images-idx3-ubyte ends too early|$(evaluate "$weights" "fashion-mnist:$folder/cut")
is not an idx file of images|$(evaluate "$weights" "fashion-mnist:$folder/magic")
199 labels for 200 images|$(evaluate "$weights" "fashion-mnist:$folder/count")
ends too early|$(evaluate "$weights" "fashion-mnist:$folder/huge")
label 10 of image 12 is out of range 0 to 9|$(evaluate "$weights" "fashion-mnist:$folder/label")
is a directory|$(evaluate "$weights" "fashion-mnist:$folder/nested")
the compressed data ends too early|$(evaluate "$weights" "fashion-mnist:$folder/gz")
is damaged: incorrect data check|$(evaluate "$weights" "fashion-mnist:$folder/crc")
Not a directory|$(evaluate "$weights" "fashion-mnist:$folder/file")
1926 of 3074 bytes of a record|$(evaluate "$weights" "cifar100:$folder/cifar")
label 100 of record 0 is out of range|$(evaluate "$weights" "cifar100:$folder/cifar-label")
the coarse label 20 of record 0 is out of range 0 to 19|$(evaluate "$weights" "cifar100:$folder/cifar-coarse")
is empty|$(evaluate "$weights" "cifar100:$folder/cifar-empty")
tensor fc.bias holds nan at element 9|$(evaluate "$folder/nan.safetensors")
holds -inf|$(evaluate "$folder/infinite.safetensors")
the file is cut off|$(evaluate "$folder/half.safetensors")
is not a safetensors file|$(evaluate "$folder/empty.safetensors")
is not a safetensors file|$(evaluate "$folder/zip.safetensors")
is a directory, not a regular file|$(evaluate "$folder/data")
is a pipe, not a regular file|$(evaluate "$folder/pipe")
is a device, not a regular file|$(evaluate /dev/zero)
is a pipe, not a regular file|$(train "$folder/x.safetensors") --config $folder/pipe
is a device, not a regular file|$(train "$folder/x.safetensors" "fashion-mnist:$folder/endless")
No such file|$(evaluate "$folder/none.safetensors")
Not a directory|$(evaluate "$folder/file/w.safetensors")
w.safetensors does not hold a resnet14|eval --model resnet14 --data $data --weights $weights
is not a regular file|$(evaluate "$weights") --logits $folder/data
cannot be written|$(evaluate "$weights") --logits $folder/none/x.npy
the file is cut off|$(train "$folder/c-cut.safetensors") --resume
is damaged: its checksum|$(train "$folder/c-flip.safetensors") --resume
is not a checkpoint|$(train "$folder/c-zip.safetensors") --resume
c-folder.checkpoint is not a regular file|$(train "$folder/c-folder.safetensors")
c-csv.csv is not a regular file|$(train "$folder/c-csv.safetensors")
the folder $folder/file cannot be made|compare --model resnet8 --teacher-model resnet8 --data $data --out-dir $folder/file
END
for name in c-cut c-flip c-zip c-folder c-csv; do
    check "$name: nothing written" test ! -e "$folder/$name.safetensors"
done

# Help is a result too.
"$program" train --help > /dev/full 2> "$folder/err"
check 'a full stdout' test $? = 1
check 'one line' test "$(wc -l < "$folder/err")" = 1

# --- What may not be read or written -------------------------------------------------------------

# Root may do everything: then as nobody, with a copy of the program where nobody may go.
as=
if [ "$(id -u)" = 0 ]; then
    as='setpriv --reuid 65534 --regid 65534 --clear-groups'
    chmod 755 "$folder"
fi
cp "$program" "$folder/program"
# shellcheck disable=SC2086 # the words of a command
if $as "$folder/program" data --data "$data" > "$folder/said" 2>&1; then
    mkdir "$folder/locked" "$folder/open"
    chmod 777 "$folder/open"
    cp "$weights" "$folder/locked/w.safetensors"
    cp "$weights" "$folder/secret.safetensors"
    mkdir -p "$folder/pictures/train/red" "$folder/pictures/test/red"
    copy unreadable
    chmod 000 "$folder/locked" "$folder/secret.safetensors" "$folder/pictures/train/red" "$copy"
    {
        printf '#!/bin/sh\nexec %s %s "$@"\n' "$as" "$folder/program"
    } > "$folder/as-nobody"
    chmod 755 "$folder/as-nobody"
    mine=$program
    program="$folder/as-nobody"
    while IFS='|' read -r words command; do
        # shellcheck disable=SC2086 # the words of a command
        expect 1 "$words" $command
    done << END
secret.safetensors cannot be opened: Permission denied|$(evaluate "$folder/secret.safetensors")
locked/w.safetensors cannot be opened: Permission denied|$(evaluate "$folder/locked/w.safetensors")
t10k-images-idx3-ubyte: Permission denied|$(evaluate "$weights" "fashion-mnist:$folder/unreadable")
pictures/train/red cannot be read: Permission denied|$(evaluate "$weights" "images:$folder/pictures")
cannot be written: Permission denied|$(train "$folder/locked/x.safetensors")
END
    program=$mine
    chmod 755 "$folder/locked" "$folder/pictures/train/red" "$copy"
else
    skip "unreadable files; nobody cannot run a program and read in $folder"
fi

# --- A full disk ---------------------------------------------------------------------------------

# At every size something else is the first that does not fit: weights, CSV, checkpoint, those of epoch 2.
full="$folder/full"
mkdir "$full"
if mount -t tmpfs -o size=4k gdkd-test "$full" 2> "$folder/said"; then
    trap 'umount "$full"; rm -rf "$folder"' EXIT
    # shellcheck disable=SC2046 # the words of a command
    check 'a run with room' "$program" $(train "$folder/room.safetensors")
    size=$(($(wc -c < "$weights") / 1024))
    for room in 4 100 $((size + 1)) $((size + 4)) $((size + 8)) $((2 * size)) $((3 * size + 12)) $((4 * size)); do
        mount -o "remount,size=${room}k" "$full"
        # shellcheck disable=SC2046 # the words of a command
        expect 1 'No space left on device' $(train "$full/w.safetensors")
        check "$room KiB: no half file" test -z "$(find "$full" -name '*.part*')"
        # shellcheck disable=SC2046 # the words of a command
        [ ! -e "$full/w.safetensors" ] || check "$room KiB: whole weights" "$program" $(evaluate "$full/w.safetensors")
        mount -o remount,size=10m "$full"
        # shellcheck disable=SC2046 # the words of a command
        check "$room KiB: resumed with more" "$program" $(train "$full/w.safetensors") --resume
        check "$room KiB: the same weights" cmp "$folder/room.safetensors" "$full/w.safetensors"
        rm "$full"/*
    done
    mount -o remount,size=4k "$full"
    # shellcheck disable=SC2046 # the words of a command
    expect 1 'l.npy cannot be written: No space left on device' $(evaluate "$weights") --logits "$full/l.npy"
    check 'no half logits' test -z "$(ls "$full")"

    # A comparison writes its configuration, the teacher's logits, each student's files and the page, in this order.
    comparison() {
        printf '%s ' compare --data "$data" --limit 40 --model resnet8 --teacher-model resnet8 --teacher "$weights" \
            --losses ce,kd --seeds 1 --epochs 1 --quiet --out-dir "$1"
    }
    # shellcheck disable=SC2046 # the words of a command
    check 'a comparison with room' "$program" $(comparison "$folder/compared")
    size=$(du -sk "$folder/compared" | cut -f 1)
    for room in 4 8 100 $((size / 2)) $((size - 100)) $((size - 12)); do
        mount -o "remount,size=${room}k" "$full"
        # shellcheck disable=SC2046 # the words of a command
        expect 1 'No space left on device' $(comparison "$full/c")
        check "$room KiB: no half file of a comparison" test -z "$(find "$full" -name '*.part*')"
        mount -o remount,size=20m "$full"
        # shellcheck disable=SC2046 # the words of a command
        check "$room KiB: the comparison goes on" "$program" $(comparison "$full/c") --resume
        for name in ce-seed1.safetensors kd-seed1.safetensors ce-seed1.logits.npy; do
            check "$room KiB: the same $name" cmp "$folder/compared/$name" "$full/c/$name"
        done
        check "$room KiB: a page" grep -q '</html>' "$full/c/report.html"
        rm -r "$full/c"
    done
    mount -o remount,size=8k "$full"
    expect 1 'r.html cannot be written: No space left on device' report "$folder/compared" --out "$full/r.html"
    check 'no half page' test -z "$(ls "$full")"
else
    skip "a full disk; a tmpfs cannot be mounted here: $(cat "$folder/said")"
fi

summary
