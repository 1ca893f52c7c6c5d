#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/kcl-scenarios.md is whole, and every test that it names exists. Use: scenarios.py ROOT

The last column of its table: `file under tests/`, then `function` of that file,
or "row" of a table in it. What happens here the same or otherwise has a test.
"""
import pathlib
import re
import sys

COUNT = 101
KINDS = ("same", "otherwise", "not yet", "no meaning")
PROVEN = ("same", "otherwise")
NAME = re.compile(r'`([^`]+)`|"([^"]+)"')

root = pathlib.Path(sys.argv[1])
page = root / "docs" / "kcl-scenarios.md"
problems = 0
names = 0


def problem(line, rule, way_out):
    global problems
    problems += 1
    print(f"{page.relative_to(root)}:{line}: {rule}\n    way out: {way_out}")


def has(text, function, row):
    if row:
        return f'"{row}"' in text
    return re.search(r"^(static )?(void|int) " + re.escape(function) + r"\(", text, re.M) is not None


def check_tests(line, cell):
    """Returns how many tests are named."""
    global names
    path, text, found = None, "", 0
    for function, row in NAME.findall(cell):
        if "/" in function:
            path = root / "tests" / function
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            if not path.is_file():
                problem(line, f"there is no {path.relative_to(root)}", "name the file where the test is now")
        elif path is None:
            problem(line, f"a test without its file: {function or row}", "put `folder/test_file.c`: before it")
        else:
            found += 1
            if text and not has(text, function, row):
                problem(line, f"{path.relative_to(root)} has no {function or row}", "name the test that proves this now")
    names += found
    return found


rows = [(number, [cell.strip() for cell in text.split("|")[1:-1]])
        for number, text in enumerate(page.read_text(encoding="utf-8").splitlines(), 1) if re.match(r"\| \d+ \|", text)]
for wanted, (line, cells) in enumerate(rows, 1):
    if cells[0] != str(wanted) or len(cells) != 4:
        problem(line, f"row {wanted} was expected, with four columns", "number the rows 1, 2, ...")
        continue
    kind = next((k for k in KINDS if re.match(re.escape(k) + r"(:|$)", cells[2])), None)
    if kind is None:
        problem(line, f"neither of {', '.join(KINDS)}", "begin the third column with one of them")
    if check_tests(line, cells[3]) == 0 and kind in PROVEN:
        problem(line, "no test is named", "name the test that proves it, or write it")
if len(rows) != COUNT:
    problem(1, f"{len(rows)} rows, not {COUNT}", "every scenario has its row")
print(f"{len(rows)} scenarios, {names} tests named, {problems} problems")
sys.exit(1 if problems else 0)
