#!/usr/bin/env bash
# Notifications of browsers, judged by others over what a push service was really handed: opened by `http-ece`, with keys that
# `cryptography` made, and the shop's signature checked by `PyJWT` (all from PyPI).
#
#   e2e/push.sh [BINARY]      default: target/release/perennial
#
# Takes ten seconds. Needs python3 with venv and PyPI; says so and ends well where they are missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/e2e/judged.sh"
judge "$root/e2e/push_story.py" "${1:-$root/target/release/perennial}" http-ece==1.2.1 pyjwt==2.10.1 cryptography==44.0.0
