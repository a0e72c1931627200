#!/usr/bin/env bash
# Real sending to a captured SMTP server: what a mail looks like, what becomes of bounces and greylisting,
# one-click unsubscribe, and nobody gets a mail twice or none at all when the process is killed while it sends.
#
#   e2e/smtp.sh [BINARY]      default: target/release/perennial
#
# Takes about two minutes: a greylisted mail is tried again after one. Needs node, npm and ../shared/clients;
# says so and ends well where they are missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
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

# The capture parses the first 50 mails only; here each is looked at.
{
    sed 's/n < 50/n < 1e6/' "$capture"
    # A client that is killed resets its connections; the server must outlive that.
    echo "process.on('uncaughtException', error => console.error(String(error)))"
} >capture.mjs
cp "$root/e2e/smtp.mjs" story.mjs
echo '{"private": true}' >package.json
echo "installing the SMTP server"
npm install --no-audit --no-fund smtp-server@3.21.6 mailparser@3.7.2 >npm.log 2>&1 || { tail -5 npm.log; exit 3; }

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }
PORT=$(free_port) HTTP_PORT=$(free_port)
export PORT HTTP_PORT
node capture.mjs >capture.log 2>&1 &
capturing=$!
for _ in $(seq 100); do grep -q 'smtp up' capture.log && break; sleep 0.1; done
grep -q 'smtp up' capture.log || { echo "the SMTP server did not start"; cat capture.log; exit 3; }

BINARY=$binary LISTEN=127.0.0.1:$(free_port) node story.mjs
