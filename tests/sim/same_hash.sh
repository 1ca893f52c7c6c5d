#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The same seeds give the same hash from gcc, clang and sanitizer builds.
# usage: same_hash.sh [FOLDER]   builds there (default: a new one under TMPDIR, removed afterwards)
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd)
if [ $# -ge 1 ]; then
  mkdir -p "$1"
  folder=$(cd "$1" && pwd)
else
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi

# name, compiler, build type, sanitizers
hash_of() {
  command -v "$2" >/dev/null || { echo "same_hash.sh: $2 is not installed" >&2; exit 2; }
  cmake -S "$source" -B "$folder/$1" -G Ninja -DCMAKE_C_COMPILER="$2" -DCMAKE_BUILD_TYPE="$3" \
    -DKCL_SANITIZE="$4" >"$folder/$1.log" 2>&1 || { cat "$folder/$1.log" >&2; exit 1; }
  ninja -C "$folder/$1" sim >"$folder/$1.log" 2>&1 || { cat "$folder/$1.log" >&2; exit 1; }
  "$folder/$1/bin/sim" --hash
}

first=
for build in "gcc gcc Release " "clang clang Release " "checked gcc Debug address,undefined"; do
  # shellcheck disable=SC2086
  set -- $build
  found=$(hash_of "$1" "$2" "$3" "${4:-}")
  echo "$1: $found"
  if [ -n "$first" ] && [ "$found" != "$first" ]; then
    echo "same_hash.sh: $1 differs" >&2
    exit 1
  fi
  first=$found
done
