#!/bin/sh
# deps.sh PACKAGE...: installs the Debian packages that are missing; elsewhere says which ones to look for.
set -eu

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "This is not Debian, or a system like it. Please install what these Debian packages hold:" >&2
    echo "  $*" >&2
    echo "dataset-fashion-mnist is only needed by 'make demo'; --data fashion-mnist:DIR reads the four files elsewhere." >&2
    exit 1
fi

missing=
for package in "$@"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || :)
    [ "$status" = "install ok installed" ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "deps: all there ($*)"
    exit 0
fi

sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "error: these packages are missing and need root to install:$missing" >&2
        echo "Run as root: apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# Package lists may be old, or absent on a fresh machine: refresh them only when the first try fails.
# shellcheck disable=SC2086 # the lists are words on purpose
$sudo apt-get install -y --no-install-recommends $missing || {
    $sudo apt-get update
    $sudo apt-get install -y --no-install-recommends $missing
}
echo "deps: done"
