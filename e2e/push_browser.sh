#!/usr/bin/env bash
# Notifications in a real browser: a page of a shop asks for leave with our script, what Perennial sends is shown by Chromium on a
# desktop, pressed there, counted, and taken back.
#
#   e2e/push_browser.sh [BINARY] [CHROMIUM]      default: target/release/perennial, and the chromium or google-chrome on the PATH
#
# The browser may be named by the variable CHROMIUM as well. Takes a minute. Needs python3 with venv, PyPI, a Chromium of 2024
# or later, and dbus-daemon (Linux); says so and ends well where they are missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/e2e/judged.sh"

CHROMIUM=${2:-${CHROMIUM:-}}
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    [ -n "$CHROMIUM" ] || CHROMIUM=$(command -v "$name" || true)
done
[ -n "$CHROMIUM" ] || skip "there is no Chromium; name one: e2e/push_browser.sh BINARY CHROMIUM"
command -v "$CHROMIUM" >/dev/null || skip "there is no browser at $CHROMIUM"
command -v dbus-daemon >/dev/null || skip "dbus-daemon is not installed"
export CHROMIUM
judge "$root/e2e/push_browser_story.py" "${1:-$root/target/release/perennial}" http-ece==1.2.1 cryptography==44.0.0 websocket-client==1.9.0 jeepney==0.9.0
