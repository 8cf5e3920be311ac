#!/usr/bin/env bash
# Runs every test and names, in a line each, what was left out. With CI=true only
# faults that the machine refuses may be, and the test that needs a Citus cluster.
set -uo pipefail
cd "$(dirname "$0")/.."
log=.tools/test.log
go test -timeout 15m -v ./... >"$log" 2>&1
code=$?
grep -E '^(ok|FAIL|panic:)|^--- FAIL|^\s+--- FAIL' "$log"
[ "$code" = 0 ] || { echo "the whole output:"; grep -vE '^\s*(=== |--- PASS)' "$log" | tail -n 400; }
echo "tests: $(grep -cE '^\s*--- PASS' "$log") passed, $(grep -cE '^\s*--- FAIL' "$log") failed"
left=$(grep -E 'left out: ' "$log" | sed -E 's/^ *[^ ]+: //' | sort -u)
[ -z "$left" ] || printf '%s\n' "$left"
if [ "${CI:-}" = true ]; then
  skipped=$(grep -E '^\s*--- SKIP' "$log" | wc -l)
  allowed=$(grep -cE 'left out: (this machine refuses|VIGIL_TEST_CITUS )' "$log")
  [ "$skipped" -le "$allowed" ] || { echo "$skipped tests were skipped, of which $allowed may be:"; grep -E -A2 '^\s*--- SKIP' "$log"; code=1; }
fi
exit "$code"
