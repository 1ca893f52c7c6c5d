#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs into an empty folder and builds a small project outside the tree
# against it: by find_package (shared and static, C and C++) and by pkg-config.
set -euo pipefail
build=$1
use=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/root" >/dev/null
cp -r "$use" "$work/use"
cmake -S "$work/use" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/root" >/dev/null
cmake --build "$work/build" >/dev/null
for program in use_shared use_static use_cxx; do
  printf '%s: ' "$program"
  LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name 'libkcl.so' | head -n 1)") "$work/build/$program"
done

pc=$(dirname "$(find "$work/root" -name kcl.pc)")
# shellcheck disable=SC2046
cc "$use/use.c" -o "$work/use_pc" $(PKG_CONFIG_PATH="$pc" pkg-config --cflags --libs kcl)
printf 'pkg-config: '
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name 'libkcl.so' | head -n 1)") "$work/use_pc"
