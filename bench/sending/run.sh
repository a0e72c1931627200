#!/usr/bin/env bash
# Ten thousand mails, twice, to a captured SMTP server: how fast beside a plain loop at the same server, and that nobody is skipped or
# written to twice when the process is killed every two seconds.
#
#   bench/sending/run.sh [BINARY] [RECIPIENTS]      default: target/release/perennial 10000
#
# CONNECTIONS: how many ours may hold, from 1 to 100, default 100. Needs node, npm and ../shared/clients. Takes two minutes or some.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
binary=$(realpath -m "${1:-$root/target/release/perennial}")
capture=$root/../shared/clients/smtp-capture.mjs

skip() { echo "skipped: $1"; exit 0; }
[ -f "$capture" ] || skip "there is no $capture"
for tool in node npm; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
[ -x "$binary" ] || { echo "there is no binary at $binary; build it with: cargo build --release"; exit 3; }

work=$(mktemp -d)
capturing=
clean_up() {
    if [ -n "$capturing" ]; then kill "$capturing" 2>/dev/null || true; fi
    # The story stops its server itself; after a crash of the story it is found by its own file.
    if [ -f "$work/server.pid" ]; then kill -9 "$(cat "$work/server.pid")" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean_up EXIT
cd "$work"
{
    # Only the first few mails are parsed and kept: reading ten thousand would measure the reader.
    sed 's/n < 50/n < 3/' "$capture"
    # A client that is killed resets its connections; the server must outlive that.
    echo "process.on('uncaughtException', error => console.error(String(error)))"
    # How many there are, without listing them.
    echo "http.createServer((q, r) => r.end(String(inbox.length))).listen(+process.env.COUNT_PORT, '127.0.0.1')"
} >capture.mjs
cp "$root/bench/sending/story.mjs" "$root/bench/sending/loop.mjs" .
echo '{"private": true}' >package.json
npm install --no-audit --no-fund smtp-server@3.21.6 mailparser@3.7.2 >npm.log 2>&1 || { tail -5 npm.log; exit 3; }

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }
PORT=$(free_port) HTTP_PORT=$(free_port) COUNT_PORT=$(free_port)
export PORT HTTP_PORT COUNT_PORT
node capture.mjs >capture.log 2>&1 &
capturing=$!
for _ in $(seq 100); do grep -q 'smtp up' capture.log && break; sleep 0.1; done
grep -q 'smtp up' capture.log || { echo "the SMTP server did not start"; cat capture.log; exit 3; }

BINARY=$binary LISTEN=127.0.0.1:$(free_port) RECIPIENTS=${2:-10000} node story.mjs
