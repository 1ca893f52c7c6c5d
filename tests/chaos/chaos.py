#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real processes that are killed, stopped and cut off, and a ledger of every record.

usage: chaos.py BIN STORY [EMULATOR_FOLDER]

BIN is the folder of kcl and kcl-local. KCL_FULL=1 makes the stories longer, KCL_CHAOS_LOG=debug the workers' logs.
Exit 0: right; 1: not, and the logs are kept; 77: what the story needs is not installed.
"""
import os
import shutil
import sys

import stories
import stories_redis
import stories_stream
from fleet import Failure


def missing(names):
    return [name for name in names if not shutil.which(name)]


def main(bin_dir, name, folder=None):
    table = {story.__name__: story for story in stories.STORIES + stories_stream.STORIES}
    table.update({story.__name__: story for story in stories_redis.STORIES})
    absent = missing(['redis-server', 'setpriv'])
    if absent:
        print(f'skipped: {", ".join(absent)} not installed')
        return 77
    try:
        if name == 'emulator':
            absent = missing(['node', 'npm'])
            if absent:
                required = os.environ.get('KCL_REQUIRE_EMULATOR') == '1'
                print(f'{"failed" if required else "skipped"}: {", ".join(absent)} not installed')
                return 1 if required else 77
            stories.emulator(bin_dir, folder)
        else:
            table[name](bin_dir)
    except Failure as failure:
        print(f'{name}: {failure}')
        return 1
    return 0


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
