#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Files that decide call no clock, no I/O, no random numbers and no threads: all
# that their objects leave undefined is another pure file's or on the list below.
# Use: pure.sh OBJECT...      (objects of the kcl_pure_* libraries)
set -u

# Any pure file.
libc='abort|calloc|free|malloc|realloc|explicit_bzero|bsearch|qsort
bcmp|mem(chr|cmp|cpy|move|rchr|set)|stpcpy|str(n?casecmp|chr|n?cmp|cspn|n?len|pbrk|rchr|spn|str)|strto(u?ll?|d)|v?snprintf'
# Put in by compilers: stack protector, fortified calls, sanitizers, wide arithmetic.
built_in='_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__(mem(cpy|move|set)|v?snprintf|explicit_bzero)_chk|__isoc(99|23)_strto(u?ll?|d)
__(asan|ubsan|tsan|lsan|sancov|sanitizer)_.*|__u?(div|mod)ti3|__start___sancov_.*|__stop___sancov_.*'
# Of one object alone: the last words of a failed check in debug builds; checksums
# and digests of the codec.
own() {
    case "$1" in
    *kcl_pure_base.dir/*/trace.c.o) echo 'fprintf|fwrite|__fprintf_chk|stderr' ;;
    *kcl_pure_codec.dir/*) echo 'crc32|crc32_z|kcl_md5' ;;
    *) echo 'abort' ;;
    esac
}

if [ $# -eq 0 ]; then
    echo "pure.sh: no objects given"
    exit 1
fi
defined=$(mktemp)
trap 'rm -f "$defined"' EXIT
nm --defined-only -g "$@" 2>/dev/null | awk 'NF == 3 {print $3}' | sort -u >"$defined"

problems=0
for object in "$@"; do
    if [ ! -f "$object" ]; then
        echo "$object: not built"
        problems=$((problems + 1))
        continue
    fi
    allowed=$(printf '%s\n%s\n%s' "$libc" "$built_in" "$(own "$object")" | tr '\n' '|')
    source=${object##*.dir/}
    source=${source#./}
    while read -r symbol; do
        echo "${source%.o}: calls $symbol, which is neither pure nor another pure file's"
        echo "    way out: take it as an argument or an answer, or name the file as SHELL in CMakeLists.txt"
        problems=$((problems + 1))
    done < <(nm -u "$object" | awk '{print $NF}' | sed 's/@.*//' | grep -vxE "$allowed" | grep -vxFf "$defined")
done
echo "$# objects, $problems problems"
[ "$problems" -eq 0 ]
