GO ?= go
# go.work ties the library to the modules that build on it; the tools are modules outside of it.
GOLANGCI = GOWORK=off $(GO) tool -modfile=tools/lint/go.mod
SUITE = $(GO) run ./internal/suite
MODULES = bench cmd/smrt examples/shop $(wildcard contrib/*)
NESTED = $(MODULES:%=./%/...)
# The longest packages first, so that none is left alone at the end.
PACKAGES = ./internal/testdb ./unit ./repo ./readreplica ./pool ./txn ./preload ./... $(NESTED)
# Packages with tests that have a full size.
SIZED = ./internal/testdb ./unit ./repo ./readreplica ./pool ./txn ./preload ./query ./cmd/smrt/internal/gen ./cmd/smrt/internal/lint ./cmd/smrt/internal/script ./slots ./internal/slot ./smrttest ./contrib/prometheus ./contrib/redis ./observe ./analyze ./cmd/smrt-postgres
MODAL = ./cache ./query/... ./schema/... ./repo/... ./preload/... ./loader/... ./observe/... ./unit/... ./txn/... ./internal/crud/... ./internal/plan/... ./slots/... ./smrttest ./contrib/otel ./contrib/prometheus
MODES = cache_describe exec
# The versions of PostgreSQL that are supported, and the packages that are tested on each.
VERSIONS = 14 15 16 17 18
SERVED = $(PACKAGES)
# Compares processor times, of which the server has no part and a busy machine a large one.
UNSERVED = -skip='^TestTimeIsLinear$$'
# Packages with rules that are broken on purpose.
GUARDED = $(sort $(dir $(shell grep -rl --include=*_test.go '^func TestRulesAreGuarded' .)))

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: postgres
postgres:
	@sh tools/install-postgres.sh

.PHONY: servers
servers:
	@sh tools/install-postgres.sh pgbouncer chromium redis

.PHONY: demo
demo: postgres ## Start a private server, load a shop and walk through the library
	$(GO) run ./cmd/smrt-demo

.PHONY: example
example: postgres ## Start a private server with a standby and examples/shop on it; prints the addresses, Ctrl-C ends all
	$(GO) run ./cmd/smrt-postgres -standbys 1 sh examples/shop/start.sh

.PHONY: test
test: servers ## Run the tests of every rule, under the race detector
	$(SUITE) -race $(PACKAGES)

.PHONY: test-long
test-long: servers test-modes ## Run what has a full size at it, break servers for minutes; and test-modes
	SMRT_TEST_LONG=1 $(SUITE) -sized $(SIZED)

.PHONY: test-modes
test-modes: servers ## Run the tests in pgx's other modes, with a pool of one
	set -e; for mode in $(MODES); do SMRT_TEST_EXEC_MODE=$$mode SMRT_TEST_MAX_CONNS=1 $(SUITE) $(MODAL); done

.PHONY: test-servers
test-servers: ## Run the tests on each version of PostgreSQL that is supported
	@failed=; for version in $(VERSIONS); do export SMRT_PG_VERSION=$$version; \
		sh tools/install-postgres.sh pgbouncer && $(SUITE) $(UNSERVED) $(SERVED) || failed="$$failed $$version"; \
	done; test -z "$$failed" || { echo "failed on PostgreSQL$$failed"; exit 1; }

.PHONY: test-pooler
test-pooler: servers ## Run the suites through PgBouncer in transaction mode, in the modes that need no prepared statements
	SMRT_TEST_POOLER=transaction $(GO) test ./repo/... ./preload/... ./slots/... ./txn/... ./unit/...
	SMRT_TEST_POOLER=transaction SMRT_TEST_EXEC_MODE=exec $(GO) test ./repo/... ./preload/... ./slots/... ./txn/... ./unit/...

.PHONY: test-soak
test-soak: servers ## Break a server every ten seconds for five minutes; prints a table and draws soak.svg
	SMRT_TEST_SOAK=5m SMRT_SOAK_SVG=$(CURDIR)/soak.svg $(GO) test -timeout 15m -run TestSoak -v ./readreplica

.PHONY: pictures
pictures: servers ## Draw the pictures of the live page in docs/guides
	SMRT_PAGE_PICTURES=$(CURDIR)/docs/guides $(GO) test -count=1 -run TestPageInBrowser ./observe

.PHONY: lint
lint: ## Check style and the import table
	$(GOLANGCI) golangci-lint run
	lint=$$($(GOLANGCI) -n golangci-lint) && for module in $(MODULES); do (cd $$module && $$lint run) || exit 1; done

.PHONY: bench
bench: servers ## Compare with hand-written pgx and other libraries: a table, bench/RESULTS.md, a plot. ONLY=get COUNT=10 for a part
	cd bench && $(GO) run . $(if $(ONLY),-only '$(ONLY)',-out .) $(if $(COUNT),-count '$(COUNT)')

.PHONY: bench-twins
bench-twins: servers ## Run the benchmarks of packages, each beside its hand-written twin
	$(GO) test -run '^$$' -bench . -benchmem ./repo ./preload ./txn ./unit ./readreplica ./pool

.PHONY: generate
generate: postgres ## Compile queries/ and those of the examples with sqlc, against a server of its own; declare their tables
	$(GO) run ./internal/shop/generate
	DATABASE_URL= $(GO) run ./cmd/smrt gen
	cd examples/shop && DATABASE_URL= $(GO) run ../../cmd/smrt gen

.PHONY: verify
verify: servers ## Fail if generated code is stale, go.mod is untidy, another system cannot build it, or tests miss a broken rule
	$(GO) run ./internal/shop/generate -check
	DATABASE_URL= $(GO) run ./cmd/smrt gen --check
	cd examples/shop && DATABASE_URL= $(GO) run ../../cmd/smrt gen --check
	SMRT_TEST_SQLC=1 $(GO) test -run OfSqlc$$ ./internal/house
	$(GO) mod tidy -diff
	sh tools/tidy-modules.sh -diff
	cd examples/sqlc-module && GOWORK=off $(GO) mod tidy -diff
	$(GO) vet ./... $(NESTED)
	GOOS=windows $(GO) vet ./... $(NESTED)
	GOOS=darwin $(GO) vet ./... $(NESTED)
	GOARCH=386 $(GO) vet ./... $(NESTED)
	SMRT_TEST_MUTANTS=1 $(SUITE) -run='^TestRulesAreGuarded$$' $(GUARDED)
