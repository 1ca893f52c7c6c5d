#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Public headers: each compiles alone, as C11 and as C++11, and each exported
function has a comment with @since directly above it.
Use: headers.py ROOT GENERATED COMPILER...   (a compiler ending in ++ is one for C++)
"""
import pathlib
import re
import subprocess
import sys
import tempfile

FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
SINCE = re.compile(r"@since \d+\.\d+")
FUNCTION = re.compile(r"(kcl_\w+)\s*\(")

root = pathlib.Path(sys.argv[1])
generated = pathlib.Path(sys.argv[2])
compilers = sys.argv[3:]
headers = sorted((root / "include/kcl").glob("*.h")) + sorted((generated / "kcl").glob("*.h"))
problems = 0


def problem(text, way_out):
    global problems
    problems += 1
    print(f"{text}\n    way out: {way_out}")


def compile_alone(header, compiler, folder):
    is_cpp = compiler.endswith("++")
    probe = folder / ("probe.cpp" if is_cpp else "probe.c")
    probe.write_text(f"#include <kcl/{header.name}>\nextern int probe;\nint probe = 0;\n", encoding="utf-8")
    command = [compiler, "-std=c++11" if is_cpp else "-std=c11", *FLAGS, f"-I{root / 'include'}",
               f"-I{generated}", str(probe)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        problem(f"{header}: does not compile alone with {' '.join(command[:2])}\n{result.stderr}",
                "include what it needs; keep to what C11 and C++11 share")


def check_comments(header):
    """Returns the number of exported functions."""
    lines = header.read_text(encoding="utf-8").splitlines()
    count = 0
    for i, line in enumerate(lines):
        if not line.startswith("KCL_API"):
            if "KCL_API" in line and not re.match(r"#\s*define KCL_API\b", line):
                problem(f"{header}:{i + 1}: KCL_API does not begin its line", "begin the declaration with it")
            continue
        count += 1
        name = FUNCTION.search(" ".join(lines[i:i + 3]))
        name = name.group(1) if name else line
        last = i - 1
        first = last
        if last >= 0 and lines[last].rstrip().endswith("*/"):
            while first > 0 and "/*" not in lines[first]:
                first -= 1
        comment = "\n".join(lines[first:last + 1])
        if not comment.lstrip().startswith("/**"):
            problem(f"{header}:{i + 1}: {name} has no comment directly above it", "write one, from /** to */")
        elif not SINCE.search(comment):
            problem(f"{header}:{i + 1}: the comment of {name} has no @since", "add the version it came in: @since 0.1")
    return count


def main():
    functions = sum(check_comments(header) for header in headers)
    with tempfile.TemporaryDirectory() as folder:
        for header in headers:
            for compiler in compilers:
                compile_alone(header, compiler, pathlib.Path(folder))
    print(f"{len(headers)} headers, {functions} functions, {', '.join(compilers)}: {problems} problems")
    return 1 if problems or not headers or not compilers or not functions else 0


sys.exit(main())
