.PHONY: build test race lint fuzz bench faults postgres-versions cover tools docs help
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null)
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

build: ## build ./vigil, static
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.stamp=$(VERSION)' -o vigil ./cmd/vigil

tools: ## install what the tests need beyond Go into .tools
	@scripts/tools.sh

test: tools ## run every test, and name what was left out
	@scripts/test.sh

race: ## run the short tests under the race detector
	go test -race -short -timeout 15m ./...

lint: ## vet, staticcheck, gofumpt, tidy
	go vet ./...
	go run $(STATICCHECK) ./...
	@out=$$(go run $(GOFUMPT) -l .); [ -z "$$out" ] || { echo "gofumpt would change:"; echo "$$out"; exit 1; }
	go mod tidy -diff

fuzz: ## three minutes of fuzzing in all
	scripts/fuzz.sh

bench: tools ## measure against PostgREST and PostgreSQL, print the tables for docs/performance.md
	go run ./cmd/vigil bench

faults: tools ## the long fault tests: 500 kills, every system call
	FAULTS=long go test -timeout 120m -run 'Fault' -v ./cmd/vigil ./internal/store/postgres

postgres-versions: tools ## run what talks to PostgreSQL with 12 (refused), 13, 14, 16, 17 and 18 from npm, an hour
	@scripts/postgres-versions.sh

docs: ## write the generated pages again
	go test ./internal/config ./internal/format ./internal/format/aidbox -run Docs -update
