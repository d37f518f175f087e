#!/bin/sh
# run.sh: installs the library into an empty directory and builds a C99 and a C++11 program against
# it, as a user would with pkg-config: shared and static, staged and moved, in folders of any legal name.
# Environment: MAKE, CC, CXX, PKG_CONFIG.
#
# The prefix is no folder that compilers search by themselves: pkg-config leaves those out of its flags (/usr,
# and what CPATH or C_INCLUDE_PATH name), and whether it looks before or after it adds the stage is a matter
# of implementation and version.
set -eu
cd "$(dirname "$0")/../.."
MAKE=${MAKE:-make}
CC=${CC:-cc}
CXX=${CXX:-c++}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
strict='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror'
passed=0
failed=0
root=$(mktemp -d)
prefix=/opt/gdkd
home="$root/stage$prefix"
unset CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH LIBRARY_PATH PKG_CONFIG_PATH
trap 'rm -rf "$root"' EXIT INT TERM

check() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$root/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name" >&2
        sed 's/^/    /' "$root/log" >&2
    fi
}

installed() { # FILE: it is there, below the prefix
    [ -e "$home/$1" ] || { echo "$prefix/$1 was not installed"; return 1; }
}

prefixes() { # nothing is left of what was installed, or built, before
    grep -qx 'includedir=/usr/include' "$root/first/usr/local/lib/pkgconfig/gdkd.pc" &&
        ! grep -q -e /usr -e "$prefix" "$home/lib/pkgconfig/gdkd.pc"
}

symbols() { # the shared library exports gdkd_ names alone
    names=$(nm -D --defined-only "$home/lib/libgdkd.so" | awk '$2 != "A" { print $3 }')
    [ -n "$names" ] && ! echo "$names" | grep -v '^gdkd_'
}

needs() { # no run-time dependency but libc, libm, OpenMP's and, in a sanitized build, the sanitizers'
    names=$(readelf -d "$home/lib/libgdkd.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    [ -n "$names" ] && ! echo "$names" | grep -v -E '^(libc|libm|libgomp|libomp|libiomp5|libasan|libubsan)\.so|^ld-linux'
}

run() { LD_LIBRARY_PATH="$home/lib" "$root/$1"; }

moved() { # the folder as a whole, to somewhere else
    cp -R "$home" "$root/moved"
    flags=$(env -u PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR="$root/moved/lib/pkgconfig" \
        "$PKG_CONFIG" --define-variable=prefix="$root/moved" --cflags --libs gdkd)
    echo "$flags"
    case $flags in "-I$root/moved/include -L$root/moved/lib -lgdkd"*) ;; *) return 1 ;; esac
}

works_from() { # LIBDIR: a program builds by the flags of the gdkd.pc there, as the shell reads them, and runs
    flags=$(PKG_CONFIG_LIBDIR="$1/pkgconfig" "$PKG_CONFIG" --cflags --libs gdkd) || return 1
    echo "$flags"
    # The loader's path has no way to name some of these folders.
    mkdir -p "$root/loaded" && cp "$1/libgdkd.so.0" "$root/loaded" &&
        eval "build named \"\$CC\" c99 consumer.c $flags -lm" &&
        LD_LIBRARY_PATH="$root/loaded" "$root/named"
}

named() { # PREFIX LIBDIR INCLUDEDIR: install, build, move if it is one tree, build, remove
    rm -rf "$root/tree" "$root/elsewhere & here"
    "$MAKE" install PREFIX="$1" LIBDIR="$2" INCLUDEDIR="$3" && works_from "$2" || return 1
    case $2$3 in
    "$1"/*"$1"/*)
        mv "$1" "$root/elsewhere & here" && works_from "$root/elsewhere & here${2#"$1"}" &&
            mv "$root/elsewhere & here" "$1" || return 1 ;;
    esac
    "$MAKE" uninstall PREFIX="$1" LIBDIR="$2" INCLUDEDIR="$3" && [ -z "$(find "$root/tree" ! -type d)" ]
}

refused() { # FOLDER: a message names it, and nothing is installed
    rm -rf "$root/tree"
    ! "$MAKE" install PREFIX="$root/tree/$1" >"$root/said" 2>&1 &&
        grep -F "cannot install in '$root/tree/$1" "$root/said" && [ ! -e "$root/tree" ]
}

removed() {
    "$MAKE" uninstall DESTDIR="$root/stage" PREFIX="$prefix" &&
        [ -z "$(find "$root/stage" ! -type d)" ]
}

# shellcheck disable=SC2086 # flags are words
build() { # OUTPUT COMPILER STANDARD SOURCE FLAGS...
    out=$1 compiler=$2 standard=$3 source=$4
    shift 4
    "$compiler" -std="$standard" $strict "tests/consumer/$source" "$@" -o "$root/$out"
}

check 'make install elsewhere' "$MAKE" install DESTDIR="$root/first" PREFIX=/usr/local INCLUDEDIR=/usr/include
check 'make install' "$MAKE" install DESTDIR="$root/stage" PREFIX="$prefix"
check 'each prefix in its gdkd.pc' prefixes
export PKG_CONFIG_SYSROOT_DIR="$root/stage"
export PKG_CONFIG_LIBDIR="$home/lib/pkgconfig"
for file in include/gdkd.h lib/libgdkd.so lib/libgdkd.a lib/pkgconfig/gdkd.pc; do
    check "installed $file" installed "$file"
done
check 'exported symbols' symbols
check 'libraries needed' needs
check 'pkg-config' "$PKG_CONFIG" --exists --print-errors gdkd
# shellcheck disable=SC2046 # pkg-config prints words
shared=$("$PKG_CONFIG" --cflags --libs gdkd || true)
archive="$("$PKG_CONFIG" --cflags gdkd || true) $home/lib/libgdkd.a $("$PKG_CONFIG" --libs --static gdkd | sed 's/-lgdkd//' || true)"
# shellcheck disable=SC2086 # flags are words
{
    check 'C99, shared: build' build c99 "$CC" c99 consumer.c $shared -lm
    check 'C99, shared: run' run c99
    check 'C++11, shared: build' build cxx11 "$CXX" c++11 consumer.cc $shared
    check 'C++11, shared: run' run cxx11
    check 'C99, static: build' build c99-static "$CC" c99 consumer.c $archive
    check 'C99, static: run' run c99-static
}
check 'pkg-config, moved' moved
check 'make uninstall leaves nothing' removed

unset PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_LIBDIR
tree="$root/tree/in st"
check 'a space' named "$tree" "$tree/lib" "$tree/include"
check 'folders deeper in the prefix' named "$tree" "$tree/lib/a  b" "$tree/i c/gdkd"
check 'libraries in the prefix itself' named "$tree" "$tree" "$tree"
check 'a prefix that ends in a stroke' named "$tree/" "$tree//lib" "$tree//include"
check 'headers outside the prefix' named "$tree" "$tree/lib" "$root/tree/in c&|"
check 'all outside the prefix' named "$tree" "$root/tree/l b&|" "$root/tree/in c&|"
check 'a stage with a quote' "$MAKE" install DESTDIR="$root/user's \"stage" PREFIX=/usr
check 'a stage with a quote: header' [ -e "$root/user's \"stage/usr/include/gdkd.h" ]
odd="$root/tree/o &|;%~{}!*?<>[],@=+^-_.ä"
check 'every other character' named "$odd" "$odd/lib" "$odd/include"
check 'every other character, outside' named "$tree" "$odd/lib" "$odd/include"
for character in "'" '"' "\\" '#' '`' '(' ')' "$(printf '\t')"; do
    check "refused: $character" refused "a${character}b"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
