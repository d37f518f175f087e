#!/bin/sh
# check-symbols.sh shared|archive FILE: fails when FILE shows a symbol that it should not.
#   shared:  exactly the functions that include/gdkd.h declares are exported
#   archive: every global symbol begins with gdkd_, so that a static link meets no clash
set -eu
kind=$1 file=$2
case $kind in
shared)
    # The sanitizers' and profilers' own symbols (__asan_*, __odr_asan*) are not the library's.
    have=$(nm -D --defined-only "$file" | awk '{print $3}' | sed 's/@.*//' | grep -v '^__' | sort)
    want=$(sed -n 's/^GDKD_API .*[ *]\(gdkd_[a-z0-9_]*\)(.*/\1/p' include/gdkd.h | sort)
    if [ "$have" != "$want" ]; then
        echo "error: $file does not export exactly what include/gdkd.h declares (have | want):" >&2
        printf '%s\n' "$have" >"$file.have"
        printf '%s\n' "$want" | diff "$file.have" - >&2 || :
        rm -f "$file" "$file.have"
        exit 1
    fi ;;
archive)
    stray=$(nm -g --defined-only "$file" 2>/dev/null | awk 'NF==3{print $3}' | grep -v -e '^gdkd_' -e '^__' || :)
    if [ -n "$stray" ]; then
        echo "error: $file defines global symbols without the prefix gdkd_: $stray" >&2
        rm -f "$file"
        exit 1
    fi ;;
esac
