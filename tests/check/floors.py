#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Floors of the source tree, and homes of outside libraries.

A file includes from its own folder or from a lower floor; two folders of one
floor do not see each other. Every outside library has one home.
Use: floors.py ROOT
"""
import pathlib
import re
import sys

FLOORS = {
    "include/kcl": 0,
    "kcl/base": 1,
    "kcl/codec": 2,
    "kcl/port": 2,
    "kcl/net": 2,
    "kcl/aws": 3,
    "leases": 3,
    "leases/redis": 4,
    "kcl/retrieval": 4,
    "kcl/shard": 5,
    "kcl/worker": 6,
    "kcl/cli": 7,
}
# Where the headers of a library may be included: folders, or single files.
HOMES = {
    "curl/": ["kcl/net/"],
    "hiredis/": ["leases/redis/"],
    "cjson/": ["kcl/aws/json.c", "kcl/cli/"],
    "openssl/": ["kcl/base/digest.c", "kcl/codec/"],
    "zlib.h": ["kcl/codec/"],
    "pthread.h": ["kcl/base/mailbox.c", "kcl/base/mailbox.h", "kcl/base/thread.c", "kcl/base/thread.h",
                  "kcl/shard/runner_thread.c"],
}
SYSTEM = set("""
assert.h ctype.h dirent.h endian.h errno.h fcntl.h getopt.h inttypes.h limits.h math.h netdb.h poll.h sched.h signal.h
stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h time.h unistd.h
arpa/inet.h netinet/in.h netinet/tcp.h spawn.h sys/eventfd.h sys/random.h sys/resource.h sys/socket.h
sys/stat.h sys/time.h sys/timerfd.h sys/types.h sys/uio.h sys/un.h sys/utsname.h sys/wait.h
""".split())
GENERATED = {"kcl/version.h": "include/kcl", "lua_scripts.h": "leases/redis"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

root = pathlib.Path(sys.argv[1])
problems = 0


def problem(path, line, rule, way_out):
    global problems
    problems += 1
    print(f"{path.relative_to(root)}:{line}: {rule}\n    way out: {way_out}")


def sources():
    for top in ("include", "kcl", "leases", "examples"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".c", ".h", ".def", ".inc"):
                yield path


def check_place(path, folder):
    if folder.startswith("examples"):
        return
    if folder.startswith("include") and folder != "include/kcl":
        problem(path, 1, f"{folder} is no folder for public headers", "put it into include/kcl")
    elif folder not in FLOORS:
        problem(path, 1, f"{folder} has no floor", "move it into a folder of the table, or give the folder a floor")


def check_own(path, line, folder, bracket, name):
    """An include of a header of this project."""
    if bracket == "<":
        if name not in GENERATED and not (root / "include" / name).exists():
            problem(path, line, f"<{name}> is no public header", "private headers are included with quotes")
        return
    if folder.startswith("examples"):
        problem(path, line, "examples show the public headers only", f"include <kcl/...> instead of \"{name}\"")
        return
    target = GENERATED.get(name, str(pathlib.PurePosixPath(name).parent))
    if target not in FLOORS or target == "include/kcl":
        problem(path, line, f"\"{name}\" does not name a private header by its path",
                "write the path from the root: \"kcl/part/x.h\", \"leases/x.h\", or <kcl/x.h> for a public one")
        return
    if name not in GENERATED and not (root / name).exists():
        problem(path, line, f"\"{name}\" does not exist", "write the path from the root")
        return
    if folder not in FLOORS or target == folder:
        return
    if FLOORS[target] == FLOORS[folder]:
        problem(path, line, f"{folder} and {target} are on one floor and do not see each other",
                "move what both need to a lower floor, or the user of both to a higher one")
    elif FLOORS[target] > FLOORS[folder]:
        problem(path, line, f"{folder} (floor {FLOORS[folder]}) includes from {target} (floor {FLOORS[target]})",
                "hand what is needed down as a value or a function, or move the code up")


def check_outside(path, line, folder, name):
    place = path.relative_to(root).as_posix()
    for prefix, homes in HOMES.items():
        if name.startswith(prefix):
            if not any(place == home or (home.endswith("/") and folder + "/" == home) for home in homes):
                problem(path, line, f"{name} belongs to {', '.join(homes)}",
                        "call what lives there, or put the code there")
            return
    if name not in SYSTEM and not folder.startswith("examples"):
        problem(path, line, f"<{name}> is of no known library",
                "give the library a home in tests/check/floors.py, or add a header of the system to its list")


def main():
    count = 0
    for path in sources():
        folder = path.parent.relative_to(root).as_posix()
        count += 1
        check_place(path, folder)
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = INCLUDE.match(text)
            if not found:
                continue
            bracket, name = found.groups()
            if bracket == '"' or name.startswith("kcl/"):
                check_own(path, line, folder, bracket, name)
            else:
                check_outside(path, line, folder, name)
    print(f"{count} files, {problems} problems")
    return 1 if problems or count == 0 else 0


sys.exit(main())
