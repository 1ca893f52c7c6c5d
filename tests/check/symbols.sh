#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The shared library exports what symbols.txt lists, no more and no less.
# Use: symbols.sh [--update] LIBRARY
set -u

list=$(dirname "$0")/symbols.txt
update=no
if [ "${1:-}" = --update ]; then
    update=yes
    shift
fi
exported=$(mktemp)
trap 'rm -f "$exported"' EXIT
# Sanitized builds add symbols of their own.
nm -D --defined-only "${1:?library}" | awk 'NF == 3 {print $3}' | grep -vE '^__(odr_)?[atu]?b?san' |
    LC_ALL=C sort >"$exported"
if [ ! -s "$exported" ]; then
    echo "$1: exports nothing"
    exit 1
fi
if grep -v '^kcl_' "$exported"; then
    echo "    $1 exports the above, which does not begin with kcl_"
    echo "    way out: make it static, or do not mark it KCL_API"
    exit 1
fi
if [ $update = yes ]; then
    cp "$exported" "$list"
    exit
fi
if ! diff -u --label "$list" "$list" --label "$1" "$exported"; then
    echo "    way out: + lines are new: if they shall be public, run $0 --update $1"
    echo "             - lines are gone: an exported function never goes away without a new major version"
    exit 1
fi
echo "$(wc -l <"$list") symbols"
