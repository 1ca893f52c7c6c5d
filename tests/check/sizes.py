#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No source file above 1000 lines; those above 600 are named. Use: sizes.py ROOT"""
import pathlib
import sys

MOST = 1000
NORM = 600
SUFFIXES = {".c", ".h", ".def", ".lua", ".py", ".sh", ".cmake"}

root = pathlib.Path(sys.argv[1])
count = 0
too_long = 0
for top in ("include", "kcl", "leases", "examples", "tests"):
    for path in sorted((root / top).rglob("*")):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        count += 1
        lines = len(path.read_bytes().splitlines())
        if lines > MOST:
            too_long += 1
            print(f"{path.relative_to(root)}:{lines}: above {MOST} lines\n    way out: split it by subject")
        elif lines > NORM:
            print(f"note: {path.relative_to(root)} has {lines} lines; the norm is {NORM}")
print(f"{count} files, {too_long} too long")
sys.exit(1 if too_long or count == 0 else 0)
