#!/usr/bin/env bash
# The SDKs that people already use, as they are published, against a real server: each runs twice with the
# same scenario, and afterwards there is one person and one order.
#
#   e2e/clients.sh [BINARY]      default: target/release/perennial
#
# Needs node, npm and python3, and the clients in ../shared/clients; says so and ends well where they are missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
binary=$(realpath -m "${1:-$root/target/release/perennial}")
clients=$root/../shared/clients

skip() { echo "skipped: $1"; exit 0; }
[ -d "$clients" ] || skip "there is no $clients"
for tool in node npm python3; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
[ -x "$binary" ] || { echo "there is no binary at $binary; build it with: cargo build --release"; exit 3; }

work=$(mktemp -d)
server=
clean_up() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap clean_up EXIT

passed=0 failed=0
# check NAME COMMAND…: the command's status decides.
check() {
    local name=$1; shift
    if "$@" >"$work/check.log" 2>&1; then
        passed=$((passed + 1)); echo "ok      $name"
    else
        failed=$((failed + 1)); echo "FAILED  $name"; sed 's/^/        /' "$work/check.log"
    fi
}
# answer_is EXPECTED SCRIPT COMMAND…: what the script makes of the command's JSON (as `it`) is as expected.
answer_is() {
    local expected=$1 script=$2; shift 2
    local found
    found=$("$@" | node -e "const it = JSON.parse(require('fs').readFileSync(0)); console.log(($script))")
    [ "$found" = "$expected" ] || { echo "expected: $expected"; echo "found:    $found"; return 1; }
}

# The packages resolve from where the clients lie, so the clients are copied beside them.
cp "$clients"/*.mjs "$clients"/*.py "$clients"/scenario.json "$work/"
cd "$work"
echo '{"private": true}' >package.json
echo "installing the SDKs"
npm install --no-audit --no-fund @segment/analytics-node @rudderstack/rudder-sdk-node >npm.log 2>&1 || { tail -5 npm.log; exit 3; }
python3 -m venv venv >venv.log 2>&1 && venv/bin/pip install --quiet segment-analytics-python >pip.log 2>&1 || { cat venv.log pip.log; exit 3; }

perennial() { "$binary" --data-dir "$work/data" "$@"; }
# Not by the function: its shell would be stopped in the server's place.
"$binary" --data-dir "$work/data" serve --listen 127.0.0.1:0 --json >serve.json 2>serve.log &
server=$!
for _ in $(seq 100); do [ -s serve.json ] && break; sleep 0.1; done
[ -s serve.json ] || { echo "the server did not start"; cat serve.log; exit 3; }
HOST=$(node -p 'JSON.parse(require("fs").readFileSync("serve.json")).url.replace(/\/$/, "")')
WRITE_KEY=$(perennial keys create --kind server --source e2e --json | node -p 'JSON.parse(require("fs").readFileSync(0)).key')
export HOST WRITE_KEY

for round in first second; do
    check "@segment/analytics-node, the $round time" node node-segment.mjs
    check "@rudderstack/rudder-sdk-node, the $round time" node node-rudder.mjs
    check "segment-analytics-python, the $round time" venv/bin/python python_segment.py
    check "segment-analytics-python with gzip, the $round time" env GZIP=1 venv/bin/python python_segment.py
done

cat >segments.yaml <<'YAML'
segment: bought-o-5001-once
where: { did: Order Completed, exactly: 1, where: { order_id: { is: o-5001 } } }
---
segment: bought-anything-once
where: { did: Order Completed, exactly: 1 }
---
segment: everyone
where: { everyone: true }
YAML
check "the segments are defined" perennial apply segments.yaml

# All asked with the server running; then some again without it.
ask_all() {
    check "one person is known ($1)" answer_is "u-1001" 'it.members.join()' perennial segments members everyone --json
    check "u-1001 bought o-5001 exactly once ($1)" answer_is "u-1001" 'it.members.join()' perennial segments members bought-o-5001-once --json
    check "and nothing else ($1)" answer_is "1" 'it.count' perennial segments count bought-anything-once --json
    check "anon-7f3c is the same person ($1)" answer_is "anonymousId anon-7f3c, userId u-1001" \
        'it.identities.map(one => one.kind + " " + one.name).sort().join(", ")' perennial customers show anon-7f3c --json
    check "the order is worth CAD 25.00 ($1)" answer_is "1 order, 2026-01-15T09:30:00Z, 2500 CAD" \
        '(() => { const orders = it.happenings.filter(one => one.event === "Order Completed"); return orders.reduce((sum, one) => sum + one.times, 0) + " order, " + orders[0].time.replace(/\.000Z$/, "Z") + ", " + (orders[0].worth.minor ?? orders[0].worth) + " " + (orders[0].worth.currency ?? "") })()' \
        perennial customers timeline u-1001 --json
    check "found by name and by address, once ($1)" answer_is "u-1001" 'it.customers.map(one => one.customer).join()' perennial customers find "ada@example.com" --json
    check "the traits arrived ($1)" answer_is "Ada Toronto gold" 'it.traits.firstName + " " + it.traits.address.city + " " + it.traits.plan' perennial customers show u-1001 --json
}
ask_all "server running"
kill "$server"; wait "$server" || true; server=
ask_all "server stopped"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
