#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the generated pages with docs/, and the man page with the help of the commands.

usage: docs.py KCL ROOT
"""
import pathlib
import re
import subprocess
import sys

PAGES = {'configuration.md': '--markdown', 'errors.md': '--errors-markdown', 'metrics.md': '--metrics-markdown'}
COMMANDS = ('consume', 'status', 'stream', 'put', 'init', 'config')


def run(kcl, *words):
    return subprocess.run([kcl, *words], capture_output=True, text=True, check=True, timeout=60).stdout


def check_page(kcl, docs, page, option):
    wanted = run(kcl, 'config', option)
    path = docs / page
    present = path.read_text() if path.exists() else ''
    if wanted == present:
        return 0
    lines = enumerate(zip(wanted.splitlines() + [''], present.splitlines() + ['']), 1)
    number = next((i for i, (new, old) in lines if new != old), 1)
    print(f'docs/{page}:{number}: is not what the tables say; kcl config {option} > docs/{page}')
    return 1


def facts_of(help_text):
    """What help tells of each flag: its range and its default."""
    for flag, entry in re.findall(r'^  (--[a-z-]+)(.*\n(?: {30}.*\n)*)', help_text, re.M):
        entry = ' '.join(entry.split())
        for fact in re.findall(r'\((\d+ to \d+)', entry) + re.findall(r'[( ](default [^ ;)]+)[;)]', entry):
            yield flag, fact


def check_man_page(kcl, docs):
    text = re.sub(r'\\f[BIR]', '', (docs / 'kcl.1').read_text().replace('\\-', '-'))
    paragraphs = [' '.join(paragraph.split()) for paragraph in text.split('.TP\n')]
    bad = 0
    for flag, fact in facts_of(run(kcl, 'consume', '--help')):
        if not any(flag in paragraph and fact in paragraph for paragraph in paragraphs):
            print(f'docs/kcl.1: does not say of {flag}: {fact}')
            bad += 1
    for command in COMMANDS:
        for flag in re.findall(r'^  (--[a-z-]+)', run(kcl, command, '--help'), re.M):
            if not re.search(re.escape(flag) + r'(?![a-z-])', text):
                print(f'docs/kcl.1: does not mention {flag} of kcl {command}; add it')
                bad += 1
    return bad


def main():
    kcl, root = sys.argv[1], pathlib.Path(sys.argv[2])
    bad = sum(check_page(kcl, root / 'docs', page, option) for page, option in PAGES.items())
    return 1 if bad + check_man_page(kcl, root / 'docs') else 0


if __name__ == '__main__':
    sys.exit(main())
