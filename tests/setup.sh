#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need on Debian 12, where it is missing.
#   tests/setup.sh build   compiler, libraries, a Redis server
#   tests/setup.sh test    that, and the checkers, sanitizers and Node.js
# Leaves no service running.
set -euo pipefail

build="gcc cmake ninja-build pkg-config libcurl4-openssl-dev libhiredis-dev libcjson-dev libssl-dev
  libcmocka-dev libevent-dev libhttp-parser-dev redis-server python3 ca-certificates openssl"
test="g++ clang clang-format-14 clang-tidy cppcheck libclang-rt-14-dev valgrind curl"

wanted=$build
[ "${1:-build}" = build ] || wanted="$build $test"

missing=""
for package in $wanted; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$' || missing="$missing $package"
done
if [ "${1:-build}" != build ] && ! { command -v node && command -v npm; } >/dev/null 2>&1; then
  missing="$missing nodejs npm"
fi
[ -n "$missing" ] || exit 0

as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo
echo "installing:$missing"
# A package must not start its server here: policy-rc.d 101 says no.
policy=/usr/sbin/policy-rc.d
made_policy=no
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod +x "$policy"
  made_policy=yes
fi
trap '[ "$made_policy" = no ] || $as_root rm -f "$policy"' EXIT
$as_root apt-get update -q >/dev/null
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $missing >/dev/null
