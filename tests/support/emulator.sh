#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Starts the npm emulator kinesis-local on free ports of 127.0.0.1.
#
#   emulator.sh FOLDER [NAME=VALUE...]
#   emulator.sh --install FOLDER
#
# Installs the package into FOLDER when it is not there yet, makes a certificate for
# its TLS port (FOLDER/cert.pem, for localhost and 127.0.0.1), and becomes the
# emulator: this process id is the emulator's, end it with SIGKILL (it is slow to end
# on SIGTERM). NAME=VALUE are settings of the emulator, such as INITIALIZE_STREAMS=demo:2.
#
# --install ends before the start, with 77 when something is missing, having said so;
# with KCL_REQUIRE_EMULATOR=1 in the environment it fails then.
#
# Standard output gets a line for each port when it is open:
#   kinesis-local listening on https://127.0.0.1:PORT
#   kinesis-local listening on http://127.0.0.1:PORT
# The emulator's log goes to standard error.
set -eu

VERSION=0.6.2

start=yes
if [ "${1:-}" = --install ]; then
    start=no
    shift
fi
if [ $# -lt 1 ]; then
    echo "usage: emulator.sh [--install] FOLDER [NAME=VALUE...]" >&2
    exit 2
fi

# Whether the emulator can be left out is for a run by hand; nobody who starts it can do without.
missing() {
    if [ $start = no ] && [ "${KCL_REQUIRE_EMULATOR:-}" != 1 ]; then
        echo "skipped: the npm emulator is not there: $1"
        exit 77
    fi
    echo "emulator.sh: $1" >&2
    exit 1
}

for program in node npm openssl; do
    command -v "$program" >/dev/null || missing "$program is not installed"
done

mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
preload=$(cd "$(dirname "$0")/../server" && pwd)/loopback.cjs
main=$folder/node_modules/kinesis-local/main.js

# One at a time: several tests may start at once with one folder.
exec 9>"$folder/lock"
flock 9
if [ ! -f "$main" ]; then
    npm install --silent --no-audit --no-fund --prefix "$folder" "kinesis-local@$VERSION" >&2 ||
        missing "npm cannot install kinesis-local@$VERSION"
fi
if [ ! -f "$folder/server.json" ]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
    node -e 'const fs = require("node:fs"); const [key, cert, out] = process.argv.slice(1);
        fs.writeFileSync(out, JSON.stringify({ server: {
            key: fs.readFileSync(key, "utf8"), cert: fs.readFileSync(cert, "utf8") } }));' \
        "$folder/key.pem" "$folder/cert.pem" "$folder/server.json"
fi
exec 9>&-
[ $start = yes ] || exit 0

# A folder without saved data, so that each start is empty.
cd "$folder/node_modules"
exec env SHARD_LIMIT=2000 LOG_LEVEL=ERROR KINESIS_MOCK_CERT_PATH="$folder/server.json" "$@" \
    node --require "$preload" "$main"
