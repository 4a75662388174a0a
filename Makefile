GO ?= go
GOLANGCI = $(GO) tool -modfile=tools/lint/go.mod golangci-lint
PACKAGES = ./...
MODAL = ./query/... ./repo/... ./preload/... ./loader/... ./observe/... ./unit/... ./txn/... ./internal/crud/... ./internal/plan/...

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: postgres
postgres:
	@sh tools/install-postgres.sh

.PHONY: demo
demo: postgres ## Start a private server, load a shop and walk through the library
	$(GO) run ./cmd/smrt-demo

.PHONY: test
test: postgres ## Run all tests: plain, and in pgx's other modes with a pool of one
	$(GO) test $(PACKAGES)
	SMRT_TEST_EXEC_MODE=cache_describe SMRT_TEST_MAX_CONNS=1 $(GO) test $(MODAL)
	SMRT_TEST_EXEC_MODE=exec SMRT_TEST_MAX_CONNS=1 $(GO) test $(MODAL)
	$(GO) test -race $(PACKAGES)

.PHONY: race
race: postgres ## Run all tests under the race detector
	$(GO) test -race $(PACKAGES)

.PHONY: test-fault
test-fault: postgres ## Run the tests that break servers and connections for minutes
	SMRT_TEST_LONG=1 $(GO) test -timeout 15m -run 'TestKill|TestCutAtEveryByte' -v ./txn
	SMRT_TEST_LONG=1 $(GO) test -timeout 15m -run 'TestDialsAreBounded|TestServerThatDoesNotCancel|TestSessionsAreClean|TestTablesChange|TestBlackHole|TestOpenAndClose' -v ./pool
	SMRT_TEST_LONG=1 $(GO) test -timeout 15m -run 'TestTokens|TestReadYourWrites|TestMonotonic|TestConflicts|TestBreaker|TestFailover|TestZombie|TestStandbyRestarts|TestSessionsAgainst' -v ./readreplica

.PHONY: test-pooler
test-pooler: postgres ## Run the suites through PgBouncer in transaction mode, in the modes that need no prepared statements
	SMRT_TEST_POOLER=transaction $(GO) test ./repo/... ./preload/... ./txn/... ./unit/...
	SMRT_TEST_POOLER=transaction SMRT_TEST_EXEC_MODE=exec $(GO) test ./repo/... ./preload/... ./txn/... ./unit/...

.PHONY: test-soak
test-soak: postgres ## Break a server every ten seconds for five minutes; prints a table and draws soak.svg
	SMRT_TEST_SOAK=5m SMRT_SOAK_SVG=$(CURDIR)/soak.svg $(GO) test -timeout 15m -run TestSoak -v ./readreplica

.PHONY: lint
lint: ## Check style and the import table
	$(GOLANGCI) run

.PHONY: bench
bench: postgres ## Run the benchmarks, each beside its hand-written twin
	$(GO) test -run '^$$' -bench . -benchmem ./repo ./preload ./txn ./unit ./readreplica ./pool

.PHONY: generate
generate: postgres ## Compile queries/ with sqlc, against a server of its own
	$(GO) run ./internal/shop/generate

.PHONY: verify
verify: postgres ## Fail if generated code is stale, go.mod is untidy, or tests miss a rule that is broken on purpose
	$(GO) run ./internal/shop/generate -check
	$(GO) mod tidy -diff
	$(GO) vet $(PACKAGES)
	SMRT_TEST_MUTANTS=1 $(GO) test -timeout 30m -run TestRulesAreGuarded ./preload ./unit ./readreplica
