#!/usr/bin/env bash
# Fuzzes every target of the module, sharing out SECONDS_IN_ALL (180) among them.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .tools
log=.tools/fuzz.log
total=${SECONDS_IN_ALL:-180}
targets=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|^\./||; s|/[^/]*_test\.go:func | |' | sort)
count=$(printf '%s\n' "$targets" | wc -l)
each=$((total / count))
[ "$each" -ge 1 ] || each=1

# fuzz DIRECTORY NAME: one target. The go command at times reports its own time
# limit as a failure of the target, with no input that fails: that is none.
fuzz() {
  go test "./$1" -run '^$' -fuzz "^$2\$" -fuzztime "${each}s" -fuzzminimizetime 10x >"$log" 2>&1 && return 0
  if grep -q '^ *context deadline exceeded$' "$log" && ! grep -qE 'Failing input|panic|fatal error' "$log"; then
    echo "fuzz: $2: ended by the time limit, no input failed"
    return 0
  fi
  cat "$log"
  return 1
}

printf '%s\n' "$targets" | while read -r dir name; do
  echo "fuzz: $name in $dir for ${each}s"
  fuzz "$dir" "$name"
done
