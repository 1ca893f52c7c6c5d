#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-format 14 (.clang-format) over all, clang-tidy (.clang-tidy) and cppcheck over the library and the
# command: all must be silent.
#   tests/check/lint.sh BUILD_FOLDER   a configured build (compile_commands.json)
set -euo pipefail
build=$1
cd "$(dirname "$0")/../.."
root=$(pwd)
ninja -C "$build" kcl_lua_scripts >/dev/null

find include kcl leases examples tests -name '*.[ch]' -print0 | xargs -0 clang-format-14 --dry-run -Werror || {
  echo "clang-format: mend the above with clang-format-14 -i FILE"
  exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run-clang-tidy -quiet -j "$(nproc)" -p "$build" "$root/(kcl|leases)/.*" >"$log" 2>/dev/null || true
if grep -E '(warning|error):' "$log"; then
  echo "clang-tidy: mend the above, or say in .clang-tidy why a check is off"
  exit 1
fi

cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr \
  --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=preprocessorErrorDirective \
  --error-exitcode=1 -j "$(nproc)" -D_GNU_SOURCE -I include -I . -I "$build/generated" kcl leases
echo "clang-format, clang-tidy and cppcheck are silent"
