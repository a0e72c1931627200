#!/usr/bin/env bash
# Notifications of browsers, judged by others over what a push service was really handed: opened by `http-ece`, with keys that
# `cryptography` made, and the shop's signature checked by `PyJWT` (all from PyPI).
#
#   e2e/push.sh [BINARY]      default: target/release/perennial
#
# Takes ten seconds. Needs python3 with venv and PyPI; says so and ends well where they are missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=$(realpath -m "${1:-$root/target/release/perennial}")

skip() { echo "skipped: $1"; exit 0; }
command -v python3 >/dev/null || skip "python3 is not installed"
python3 -c 'import venv, ensurepip' 2>/dev/null || skip "python3 has no venv"
[ -x "$binary" ] || { echo "there is no binary at $binary; build it with: cargo build --release"; exit 3; }

work=$(mktemp -d)
clean_up() {
    # The story stops its server itself; after a crash of the story it is found by its own file.
    if [ -f "$work/server.pid" ]; then kill -9 "$(cat "$work/server.pid")" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean_up EXIT
cd "$work"
echo "installing the judges"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check http-ece==1.2.1 pyjwt==2.10.1 cryptography==44.0.0 >pip.log 2>&1 ||
    skip "the judges could not be installed: $(tail -1 pip.log)"

BINARY=$binary venv/bin/python "$root/e2e/push_story.py"
