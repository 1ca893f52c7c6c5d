#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs into an empty folder and builds small programs outside the tree against it: shared and static,
# in C and C++, by find_package and by pkg-config; the shared one also without the development files of
# what the library itself links.
set -euo pipefail
build=$1
use=$2
source=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/root" >/dev/null
pc=$(dirname "$(find "$work/root" -name kcl.pc)")
lib=$(dirname "$(find "$work/root" -name libkcl.so)")

runs() { # WHAT PROGRAM shared|static
  printf '%s: ' "$1"
  LD_LIBRARY_PATH=$lib "$2"
  if readelf -d "$2" | grep -q 'NEEDED.*libkcl'; then
    [ "$3" = shared ] || { echo "$1: uses libkcl.so"; exit 1; }
  else
    [ "$3" = static ] || { echo "$1: does not use libkcl.so"; exit 1; }
  fi
}

cp -r "$use" "$work/use"
configure() { # FOLDER CMAKE_ARGUMENTS...
  cmake -S "$work/use" -B "$@" -G Ninja -DCMAKE_PREFIX_PATH="$work/root"
}
configure "$work/all" >/dev/null
cmake --build "$work/all" >/dev/null
runs 'cmake, shared' "$work/all/use_shared" shared
runs 'cmake, C++' "$work/all/use_cxx" shared
runs 'cmake, static' "$work/all/use_static" static

without=(-DCMAKE_DISABLE_FIND_PACKAGE_CURL=ON -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON
  -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON)
configure "$work/few" "${without[@]}" >/dev/null
cmake --build "$work/few" >/dev/null
runs 'cmake, shared, without the libraries of the library' "$work/few/use_shared" shared
if configure "$work/none" "${without[@]}" -DUSE_COMPONENTS=static >"$work/said" 2>&1; then
  echo 'kcl::static was found without the libraries that it needs'
  exit 1
fi
grep -q 'kcl::static needs what was not found: CURL::libcurl' <(tr -s ' \n' ' ' <"$work/said")

# PKG_CONFIG_LIBDIR: nothing but what was installed just now is known.
by_pc() { # WHAT KIND PKG_CONFIG_ARGUMENTS...
  local what=$1 kind=$2 flags
  shift 2
  read -ra flags < <(PKG_CONFIG_LIBDIR=$pc pkg-config --cflags --libs "$@")
  cc "$use/use.c" -o "$work/use_pc" "${flags[@]}"
  runs "$what" "$work/use_pc" "$kind"
}
by_pc 'pkg-config kcl' shared kcl
by_pc 'pkg-config --static kcl' shared --static kcl
by_pc 'pkg-config kcl-static' static kcl-static
by_pc 'pkg-config --static kcl-static' static --static kcl-static
mv "$lib"/libkcl.so* "$work"
by_pc 'pkg-config --static kcl, no shared library' static --static kcl

cmake -S "$source" -B "$work/absolute" -G Ninja -DKCL_BUILD_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/opt/kcl \
  -DCMAKE_INSTALL_LIBDIR=/opt/lib >/dev/null
flags=$(PKG_CONFIG_LIBDIR=$work/absolute pkg-config --cflags --libs kcl)
echo "absolute folder: $flags"
[ "${flags% }" = '-I/opt/kcl/include -L/opt/lib -lkcl' ]
