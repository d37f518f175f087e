#!/bin/sh
# compile-commands.sh < commands: makes a compilation database of the lines that compile a file.
dir=$(pwd)
echo '['
grep -E -- ' -c [^ ]+\.c -o ' | sort -u | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' | awk -v dir="$dir" '
    { for (i = 1; i < NF; i++) if ($i == "-c") file = $(i + 1)
      printf "%s{\"directory\": \"%s\", \"file\": \"%s\", \"command\": \"%s\"}", sep, dir, file, $0
      sep = ",\n" }'
echo
echo ']'
