#!/usr/bin/env bash
# Runs every test and names, in a line each, what was left out. With CI=true only
# faults that the machine refuses may be, and the test that needs a Citus cluster.
set -uo pipefail
cd "$(dirname "$0")/.."
log=.tools/test.log
go test -timeout 15m -v ./... >"$log" 2>&1
code=$?
grep -E '^(ok|FAIL|panic:)|^--- FAIL|^\s+--- FAIL' "$log"
# What a failed test said stands between the end of the one before and its own; what
# a property test drew is in its file below testdata, and is long.
[ "$code" = 0 ] || awk '
  /\[rapid\] draw|^ *=== / { next }
  /^ *--- (PASS|SKIP)|^ok / { n = 0; next }
  { said[n++] = $0 }
  /^--- FAIL|^FAIL|^panic:/ { for (i = n > 60 ? n - 60 : 0; i < n; i++) print said[i]; n = 0 }
' "$log"
echo "tests: $(grep -cE '^\s*--- PASS' "$log") passed, $(grep -cE '^\s*--- FAIL' "$log") failed"
left=$(grep -E 'left out: ' "$log" | sed -E 's/^ *[^ ]+: //' | sort -u)
[ -z "$left" ] || printf '%s\n' "$left"
if [ "${CI:-}" = true ]; then
  skipped=$(grep -E '^\s*--- SKIP' "$log" | wc -l)
  allowed=$(grep -cE 'left out: (this machine refuses|CITUS_URL )' "$log")
  [ "$skipped" -le "$allowed" ] || { echo "$skipped tests were skipped, of which $allowed may be:"; grep -E -A2 '^\s*--- SKIP' "$log"; code=1; }
fi
exit "$code"
