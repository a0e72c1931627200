#!/usr/bin/env bash
# Signatures of mails, judged by `dkimpy` from PyPI over what an SMTP server was really handed: RSA and Ed25519, whatever is
# in names and subjects; and a service mail that may have arrived goes out again byte for byte, whatever was changed since.
#
#   e2e/dkim.sh [BINARY]      default: target/release/perennial
#
# Takes a minute and a half: a mail without reply is repeated after one. Needs python3 with venv and PyPI; says so and ends
# well where they are missing.
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
echo "installing the verifier"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check dkimpy==1.1.8 pynacl==1.5.0 aiosmtpd==1.4.6 >pip.log 2>&1 ||
    skip "the verifier could not be installed: $(tail -1 pip.log)"

BINARY=$binary venv/bin/python "$root/e2e/dkim_story.py"
