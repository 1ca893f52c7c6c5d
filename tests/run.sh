#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs the tests: installs what is missing, needs no other set-up.
#   tests/run.sh          what every change must pass
#   tests/run.sh --full   more seeds, longer fuzzing, larger fleets
set -euo pipefail
cd "$(dirname "$0")/.."

full=no
for argument in "$@"; do
  case $argument in
    --full) full=yes ;;
    *) echo "usage: tests/run.sh [--full]" >&2; exit 2 ;;
  esac
done

tests/setup.sh test
jobs=$(nproc)
step() { printf '\n== %s\n' "$*"; }

# The npm emulator is part of the tests here; a run by hand without Node.js skips it, saying so.
export KCL_REQUIRE_EMULATOR=1
export KCL_SIM_SEEDS=${KCL_SIM_SEEDS:-2000}
fuzz_s=10
# Of the tests beside the unit tests: what is run with each sanitizer, and what of it is left out.
asan_labels='unit|sim|integration' asan_without='emulator|sim_(rules|large|long)' asan_seeds=200
tsan='unit_base_(mailbox|thread)|unit_shard_runner|unit_worker|integration_worker(_end|_failures)?$'
if [ "$full" = yes ]; then
  export KCL_SIM_SEEDS=50000 KCL_FULL=1
  fuzz_s=300
  asan_labels='unit|sim|integration|chaos' asan_without='^$' asan_seeds=2000
  tsan='^unit|^integration|^chaos'
fi

step "clang builds it without a warning"
# DWARF 4: the valgrind of Debian 12 does not read what clang writes by default.
CC=clang cmake -S . -B build/clang -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS=-gdwarf-4 >/dev/null
ninja -C build/clang -j "$jobs" --quiet

step "clang-format, clang-tidy and cppcheck"
tests/check/lint.sh build/clang

step "unit and integration tests and the simulator, ASan and UBSan"
cmake --preset dev >/dev/null
ninja -C build/dev -j "$jobs" --quiet
KCL_SIM_SEEDS=$asan_seeds ctest --test-dir build/dev -L "$asan_labels" -E "$asan_without" -j "$jobs" \
  --output-on-failure --quiet

step "mailbox, runner and worker, TSan"
cmake --preset tsan >/dev/null
ninja -C build/tsan -j "$jobs" --quiet
ctest --test-dir build/tsan -R "$tsan" -j 1 --output-on-failure --quiet

step "unit tests, valgrind"
check_one() {
  log=$1.valgrind.log
  KCL_TEST_QUICK=1 valgrind --quiet --error-exitcode=9 --leak-check=full "$1" >"$log" 2>&1 ||
    { cat "$log"; echo "valgrind: $1"; exit 255; }
}
export -f check_one
printf '%s\n' build/clang/bin/unit_* | grep -v '\.log$' | xargs -P "$jobs" -I{} bash -c 'check_one {}'

step "fuzz, $fuzz_s s a target"
if [ -f tests/fuzz/CMakeLists.txt ]; then
  CC=clang cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=Debug -DKCL_SANITIZE=address,undefined \
    -DKCL_BUILD_FUZZ=ON >/dev/null
  ninja -C build/fuzz -j "$jobs" --quiet
  KCL_FUZZ_SECONDS=$fuzz_s ctest --test-dir build/fuzz -L fuzz -j "$jobs" --output-on-failure --quiet
fi

step "everything, release"
cmake --preset release >/dev/null
ninja -C build/release -j "$jobs" --quiet
ctest --test-dir build/release -j "$jobs" --output-on-failure

step "the simulator does the same in every build"
hash=
for build in clang dev release; do
  found=$("build/$build/bin/sim" --hash) || { echo "$build: $found"; exit 1; }
  echo "$build: $found"
  if [ "$found" != "${hash:=$found}" ]; then
    echo "sim --hash: build/$build differs from build/clang"
    exit 1
  fi
done
