#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job, to watch: a local stream of four shards, two workers, a split, a
# merge, a worker killed, and a ledger at the end. Installs what is missing on
# Debian 12, builds, and ends all that it started.
#   examples/quickstart.sh [--trouble] [--endpoint URL] [--redis URL]
# With --trouble its Redis loses everything in the middle of it (FLUSHALL), and
# is set back to an old dump later.
# With --endpoint and --redis it runs against other servers: it makes a stream
# (and deletes it at the end) and an application of its own there, whose keys in
# Redis stay. AWS wants AWS_REGION and credentials in the environment then.
set -euo pipefail
cd "$(dirname "$0")/.."

for argument in "$@"; do
  case $argument in
    -h | --help) sed -n '3,11s/^# \{0,1\}//p' examples/quickstart.sh; exit 0 ;;
  esac
done

tests/setup.sh build
echo "building (about a minute the first time) ..."
cmake --preset release >build.log 2>&1 && ninja -C build/release kcl_command kcl-local >>build.log 2>&1 ||
  { cat build.log; exit 1; }
rm -f build.log
exec python3 examples/quickstart.py --bin build/release/bin "$@"
