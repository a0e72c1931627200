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
. "$root/e2e/judged.sh"
judge "$root/e2e/dkim_story.py" "${1:-$root/target/release/perennial}" dkimpy==1.1.8 pynacl==1.5.0 aiosmtpd==1.4.6
