# Needs Go only, save for what `make prepare` gets for the tests on real databases.
SHELL := /bin/sh
GO    ?= go
PKG   ?= ./...
ARGS  ?=

# Pinned here and not in go.mod, so that who imports tokensweep does not inherit it.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# What prepare.sh found out, for the commands that use real databases.
ENV := set -a; [ ! -f .tokensweep.env ] || . ./.tokensweep.env; set +a;

.DEFAULT_GOAL := help
.PHONY: help run build prepare test test/fast test/race bench bench/limits bench/rebuild bench/latency bench/gate bench/baseline bench/prove bench/count lint clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z\/]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  ARGS="..." adds flags to run and the tests, PKG=./cleanup/... picks the packages to test.'

run: ## clean 100,000 made-up tokens and verify every row (installs nothing)
	@$(ENV) $(GO) run ./cmd/tokensweep run --tokens 100000 $(ARGS)

build: ## build bin/tokensweep
	$(GO) build -o bin/tokensweep ./cmd/tokensweep

prepare: ## get Docker, MySQL, MariaDB and SQL Server for the tests; says what it could not get
	@scripts/prepare.sh

# One package at a time: they share the machine's databases, and measure time.
test: prepare ## run all tests, on real databases too
	@$(ENV) $(GO) test -count=1 -v -run '^TestSaysWhichSQLServer$$' ./harness | grep '^sqlserver: ' || :
	@$(ENV) $(GO) test -count=1 -p 1 -timeout 80m $(ARGS) $(PKG)

test/fast: ## run the tests that need no database server (SQLite only)
	$(GO) test -count=1 $(ARGS) ./token ./schema ./dialect/...
	$(GO) test -count=1 $(ARGS) -skip 'MySQL|MariaDB' ./internal/dbtest

test/race: prepare ## run all tests under the race detector (needs a C compiler)
	@$(ENV) $(GO) test -count=1 -p 1 -timeout 90m -race $(ARGS) $(PKG)

# The yardstick is what the vendor's procedure does, without its pauses and its log; its audit brings its copies of the tables with it.
YARDSTICK := script:testdata/procedures/official-mysql.sql
MEASURED  := --tokens 500000 --mix removable:91 --set sleepTime=0 --set enableLog=FALSE

bench: ## compare the engines on 500,000 tokens, 5 runs each; takes most of an hour
	@$(ENV) $(GO) run ./cmd/tokensweep bench --engines batch,batch:workers=2:batch-time=500ms:binlog=minimal,rebuild,procedure,$(YARDSTICK) \
		$(MEASURED) --set enableAudit=TRUE --out bench.json $(ARGS)

bench/limits: ## the same without audit, beside one single DELETE and pt-archiver (Debian: percona-toolkit)
	@$(ENV) $(GO) run ./cmd/tokensweep bench --no-audit $(MEASURED) --out bench-limits.json \
		--engines batch,batch:workers=2:batch-time=500ms:binlog=minimal,rebuild,script:testdata/procedures/single-delete-mysql.sql,$(YARDSTICK) \
		--engines "command:testdata/commands/pt-archiver.sh {host} {port} {user} {schema} '{cutoff}'" $(ARGS)

bench/rebuild: ## rebuild beside the yardstick where 99 % goes, 3 runs each
	@$(ENV) $(GO) run ./cmd/tokensweep bench --engines rebuild,$(YARDSTICK) $(MEASURED) --mix removable:99 --set enableAudit=TRUE \
		--rounds 3 --out bench-rebuild.json $(ARGS)

bench/latency: ## what users feel while an engine runs, at 300 operations a second
	@$(ENV) $(GO) run ./cmd/tokensweep bench --engines batch,procedure,$(YARDSTICK) --load 300 \
		$(MEASURED) --set enableAudit=TRUE --rounds 3 --out bench-latency.json $(ARGS)

# What the gate counts: engines that always send the same statements, on the same rows.
# Two rounds, to see that the counters are exact.
COUNTED := --engines batch:500,procedure:500 --tokens 10000 --rounds 2 --cutoff 2026-01-01T00:00:00Z

bench/gate: bench/count ## fail if engines send or write more than the stored baselines say (any machine)
	@failed=0; for db in mysql mariadb; do \
		bin/tokensweep bench gate --exact --tolerance 0 --baseline bench/baselines/exact-$$db.json bin/count-$$db.json || failed=$$?; \
	done; exit $$failed

bench/baseline: bench/count ## store new baselines for bench/gate; look at their diff
	@for db in mysql mariadb; do bin/tokensweep bench baseline bin/count-$$db.json --out bench/baselines/exact-$$db.json || exit; done

bench/count: prepare build
	@$(ENV) for db in mysql mariadb; do bin/tokensweep bench --db $$db $(COUNTED) --out bin/count-$$db.json || exit; done

bench/prove: ## plant slow-downs in the engine and see that the gate catches them, and nothing else; takes long
	@$(ENV) $(GO) run ./bench/prove $(ARGS)

lint: ## check format, go vet, staticcheck
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "not gofmt-clean, run gofmt -w on:"; echo "$$files"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

clean: ## remove what was built
	rm -rf bin
	@scripts/prepare.sh --forget
