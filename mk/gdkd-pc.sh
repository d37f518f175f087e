#!/bin/sh
# gdkd-pc.sh PREFIX LIBDIR INCLUDEDIR VERSION OPENMP_LIBS: writes gdkd.pc, which will lie in LIBDIR/pkgconfig. What is below
# PREFIX is found from there, wherever the tree has been moved to.
set -eu

# pkg-config has no way to write these, or gives them to the shell bare.
for folder in "$1" "$2" "$3"; do
    case $folder in
    *[\'\"\\\$\#\`\(\)]* | *[[:cntrl:]]*)
        printf "error: cannot install in '%s': pkg-config has no way to name a folder with %s\n" "$folder" \
            'quotes, backquotes, \, $, #, parentheses or control characters; choose another PREFIX, LIBDIR or INCLUDEDIR' >&2
        exit 1 ;;
    esac
done

folder() { realpath -ms -- "${1:-/}"; } # absolute, without // and ..
escape() { printf '%s\n' "$1" | sed 's/ /\\ /g'; }
prefix=$(folder "$1")
libdir=$(folder "$2")
includedir=$(folder "$3")

# A folder as a value in the file: from ${prefix} on where it is below that.
value() { # FOLDER
    case $1 in
    "$prefix") echo "\${prefix}" ;;
    "${prefix%/}"/*) printf '%s\n' "\${prefix}/$(escape "${1#"${prefix%/}/"}")" ;;
    *) escape "$1" ;;
    esac
}

# The quotes are for implementations that take pcfiledir as it is; pkgconf, which escapes its spaces, drops them.
case $(value "$libdir") in
"\${prefix}"*) from="\"\${pcfiledir}/$(realpath -ms --relative-to="$libdir/pkgconfig" -- "$prefix")\"" ;;
*) from=$(escape "$prefix") ;;
esac

cat <<END
prefix=$from
exec_prefix=\${prefix}
libdir=$(value "$libdir")
includedir=$(value "$includedir")

Name: gdkd
Description: Decoupled knowledge-distillation losses (KD, DKD, GDKD) with exact gradients
URL: https://arxiv.org/abs/2512.04625
Version: $4
Libs: -L\${libdir} -lgdkd
Libs.private: -lm $5
Cflags: -I\${includedir}
END
