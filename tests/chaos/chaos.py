#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real processes that are killed, stopped and cut off, and a ledger of every record.

usage: chaos.py BIN STORY [EMULATOR_FOLDER]

BIN is the folder of kcl and kcl-local. With EMULATOR_FOLDER the stream lives in the npm emulator of that folder, else
in kcl-local. KCL_FULL=1 makes the stories longer, KCL_CHAOS_LOG=debug the workers' logs.
Exit 0: right; 1: not, and the logs are kept; 77: what the story needs is not installed.
"""
import shutil
import sys

import stories
import stories_clock
import stories_redis
import stories_stream
from fleet import Failure, Fleet, emulator_missing


def missing(names):
    return [name for name in names if not shutil.which(name)]


def main(bin_dir, name, folder=None):
    table = {story.__name__: story for story in stories.STORIES + stories_stream.STORIES}
    table.update({story.__name__: story for story in stories_redis.STORIES + stories_clock.STORIES})
    absent = missing(['redis-server', 'setpriv'])
    if absent:
        print(f'skipped: {", ".join(absent)} not installed')
        return 77
    if folder:
        code = emulator_missing(folder)
        if code:
            return code
        Fleet.emulator = folder
    try:
        table[name](bin_dir)
    except Failure as failure:
        print(f'{name}: {failure}')
        return 1
    return 0


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
