#!/usr/bin/env bash
# Fuzzes every target of the module, sharing out SECONDS_IN_ALL (180) among them.
set -eu
cd "$(dirname "$0")/.."
total=${SECONDS_IN_ALL:-180}
targets=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's|^\./||; s|/[^/]*_test\.go:func | |' | sort)
count=$(printf '%s\n' "$targets" | wc -l)
each=$((total / count))
[ "$each" -ge 1 ] || each=1
printf '%s\n' "$targets" | while read -r dir name; do
  echo "fuzz: $name in $dir for ${each}s"
  go test "./$dir" -run '^$' -fuzz "^$name\$" -fuzztime "${each}s" -fuzzminimizetime 10x >.tools/fuzz.log 2>&1 || { cat .tools/fuzz.log; exit 1; }
done
