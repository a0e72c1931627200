#!/usr/bin/env bash
# Webhooks to a receiver that checks them with the npm library `standardwebhooks`: signatures by each of two secrets, and
# everybody is told at least once, with one id and one body, when the process is killed while it tells.
#
#   e2e/webhooks.sh [BINARY]      default: target/release/perennial
#
# Takes about fifteen seconds. Needs node and npm; says so and ends well where they are missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=$(realpath -m "${1:-$root/target/release/perennial}")

skip() { echo "skipped: $1"; exit 0; }
for tool in node npm; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
[ -x "$binary" ] || { echo "there is no binary at $binary; build it with: cargo build --release"; exit 3; }

work=$(mktemp -d)
clean_up() {
    # The story stops its server itself; after a crash of the story it is found by its own file.
    if [ -f "$work/server.pid" ]; then kill -9 "$(cat "$work/server.pid")" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean_up EXIT
cd "$work"
cp "$root/e2e/webhooks.mjs" story.mjs
echo '{"private": true}' >package.json
echo "installing the library"
npm install --no-audit --no-fund standardwebhooks@1.0.0 >npm.log 2>&1 || { tail -5 npm.log; exit 3; }

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }
BINARY=$binary LISTEN=127.0.0.1:$(free_port) node story.mjs
