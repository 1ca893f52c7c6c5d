#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Unit tests and the simulator do not sleep: they wait for an event or move virtual time. Use: nosleep.py ROOT"""
import pathlib
import re
import sys

SLEEP = re.compile(r"\b(sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep)\s*\(|\bp?poll\s*\(\s*NULL\b|"
                   r"\bp?select\s*\(\s*0\s*,")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)

root = pathlib.Path(sys.argv[1])
count = 0
problems = 0
for folder in ("tests/unit", "tests/sim"):
    for path in sorted((root / folder).rglob("*.[ch]")):
        count += 1
        text = COMMENT.sub(lambda m: "\n" * m.group().count("\n"), path.read_text(encoding="utf-8"))
        for line, code in enumerate(text.splitlines(), 1):
            if SLEEP.search(code):
                problems += 1
                print(f"{path.relative_to(root)}:{line}: a test sleeps: {code.strip()}\n"
                      "    way out: wait for the event itself, with an end, or move virtual time")
print(f"{count} files, {problems} problems")
sys.exit(1 if problems or count == 0 else 0)
