# Sourced: runs a story in Python beside judges from PyPI, in a temporary directory of its own.
#
#   judge STORY BINARY PACKAGE…
#
# Needs python3 with venv and PyPI; says so and ends well where they are missing.

skip() { echo "skipped: $1"; exit 0; }

judge() {
    local story=$1 binary
    binary=$(realpath -m "$2")
    shift 2
    command -v python3 >/dev/null || skip "python3 is not installed"
    python3 -c 'import venv, ensurepip' 2>/dev/null || skip "python3 has no venv"
    [ -x "$binary" ] || { echo "there is no binary at $binary; build it with: cargo build --release"; exit 3; }
    work=$(mktemp -d)
    trap clean_up EXIT
    cd "$work"
    echo "installing the judges"
    python3 -m venv venv
    venv/bin/pip install --quiet --disable-pip-version-check "$@" >pip.log 2>&1 ||
        skip "the judges could not be installed: $(tail -1 pip.log)"
    BINARY=$binary PYTHONDONTWRITEBYTECODE=1 venv/bin/python "$story"
}

clean_up() {
    # The story stops what it started itself; after a crash of the story it is found by its own file.
    for own in server bus; do
        if [ -f "$work/$own.pid" ]; then kill -9 "$(cat "$work/$own.pid")" 2>/dev/null || true; fi
    done
    if [ -f "$work/browser.pid" ]; then kill -9 -- "-$(cat "$work/browser.pid")" 2>/dev/null || true; fi
    rm -rf "$work"
}
