#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pages for readers say what is there: C code, links, and the length of minimal.c.

usage: snippets.py ROOT COMPILER GENERATED_HEADERS

A block of C after a line `<!-- examples/x.c -->` equals that file; after
`<!-- examples/x.c: name -->` it equals the part of it between the comments
`quote: name` and `end`. Any other block of C compiles by itself after the
includes of PRELUDE.
"""
import pathlib
import re
import subprocess
import sys

PRELUDE = ('#include <inttypes.h>\n#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n'
           '#include <kcl/kcl.h>\n')
FLAGS = ('-std=c11', '-D_GNU_SOURCE', '-fsyntax-only', '-Wall', '-Wextra', '-Wshadow', '-Wconversion', '-Werror',
         '-Wno-unused-function', '-Wno-unused-const-variable', '-x', 'c', '-')
MINIMAL_MOST = 59

ROOT = pathlib.Path(sys.argv[1])
COMPILER, GENERATED = sys.argv[2:4]


def quoted(name):
    """What a block may quote: a file, or a named part of it. None: there is no such thing."""
    path, _, part = name.partition(': ')
    if not (ROOT / path).is_file():
        return None
    text = (ROOT / path).read_text()
    if not part:
        return text
    found = re.search(r'/\* quote: %s \*/\n(.*?)/\* end \*/\n' % re.escape(part), text, re.S)
    return found and found.group(1)


def compile_error(code, line, page):
    done = subprocess.run([COMPILER, f'-I{ROOT}/include', f'-I{GENERATED}', *FLAGS], capture_output=True, text=True,
                          input=f'{PRELUDE}#line {line} "{page}"\n{code}', timeout=60)
    return done.stderr.strip() if done.returncode != 0 else ''


def check_code(page, text):
    problems = []
    for block in re.finditer(r'^(?:<!-- ([^\n]*?) -->\n)?```c\n(.*?)^```$', text, re.S | re.M):
        mark, code = block.groups()
        line = text.count('\n', 0, block.start(2)) + 1
        if mark:
            wanted = quoted(mark)
            if wanted is None:
                problems.append(f'{page}:{line}: there is no {mark} to quote')
            elif wanted.strip('\n') != code.strip('\n'):
                problems.append(f'{page}:{line}: is not what {mark} says; copy it anew')
        else:
            error = compile_error(code, line, page)
            if error:
                problems.append(f'{page}:{line}: this code does not compile:\n{error}')
    return problems


def anchors(text):
    """The names that headings can be linked by."""
    plain = re.sub(r'^```.*?^```$', '', text, flags=re.S | re.M)
    return {re.sub(r'[^\w\- ]', '', title.lower()).strip().replace(' ', '-')
            for title in re.findall(r'^#+ (.*)$', plain, re.M)}


def check_links(page, text):
    problems = []
    plain = re.sub(r'^```.*?^```$', lambda block: '\n' * block.group().count('\n'), text, flags=re.S | re.M)
    for link in re.finditer(r'\[[^\]]*\]\(([^)\s]+)\)', plain):
        target, _, anchor = link.group(1).partition('#')
        line = plain.count('\n', 0, link.start()) + 1
        if re.match(r'[a-z]+:', target):
            continue
        path = (page.parent / target) if target else page
        if not path.exists():
            problems.append(f'{page}:{line}: links to {target}, which is not there')
        elif anchor and anchor not in anchors(path.read_text()):
            problems.append(f'{page}:{line}: {target or page.name} has no heading #{anchor}')
    return problems


def main():
    pages = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md')), ROOT / 'examples' / 'README.md',
             ROOT / 'tests' / 'server' / 'README.md']
    problems = []
    blocks = 0
    for page in pages:
        text = page.read_text()
        blocks += text.count('\n```c\n')
        problems += check_code(page, text) + check_links(page, text)
    lines = len((ROOT / 'examples' / 'minimal.c').read_text().splitlines())
    if lines > MINIMAL_MOST:
        problems.append(f'examples/minimal.c:{lines}: is to have fewer than {MINIMAL_MOST + 1} lines')
    for problem in problems:
        print(problem)
    print(f'{len(pages)} pages, {blocks} blocks of C, {len(problems)} problems')
    return 1 if problems or blocks == 0 else 0


if __name__ == '__main__':
    sys.exit(main())
