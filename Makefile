# The two commands: `make start` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
NODE = $(shell bin/find-node)
RUN = $(NODE) --disable-warning=ExperimentalWarning
BIN = node_modules/.bin
STAMP = node_modules/.package-lock.json
UNIT = $(shell find test -name '*.test.ts' -not -path 'test/real/*' | sort)
SEEDS = 1-2000
FRESH = 1000
# Seeds over the broker models below the real adapters.
WIRE = 1-120
MINUTES = 30
FAULTS = 100
CLIENTS = 1000
PEERS =
# Real suites that measure, or have bounds on milliseconds or memory, run alone on the host. Those with bounds on seconds run two at
# a time with nothing else beside them. The others run three at a time. Each suite has its own ports.
suites = $(patsubst %,test/real/%.test.ts,$(1))
ALONE = $(call suites,attack bench figures gateway-pressure kafka-odd peers reconnect-storm)
TIMED = $(call suites,faults-kafka faults-nats proxies soak sse-clients traces)
BESIDE = $(filter-out $(ALONE) $(TIMED),$(shell find test/real -name '*.test.ts' | sort))
# Only a PORT on the command line counts, because other programs set PORT in the environment.
ports = $(if $(filter command%,$(origin PORT)),--listen 127.0.0.1:$(PORT) --admin 127.0.0.1:$(shell expr $(PORT) + 1))
REPORTERS = spec ./test/timing.ts ./test/skipped.ts
# The time limit is that of a test and of a file, and ends tests that hang. Four seconds of CPU take over a minute beside busy processes.
TEST = PATH="$(dir $(NODE)):$$PATH" $(RUN) --test --test-timeout=600000 $(foreach each,$(REPORTERS),--test-reporter=$(each) --test-reporter-destination=stdout)

.PHONY: help start test check install lint types proto unit simulate fresh coverage mutants reconnect-storm soak attack faults real real-beside real-timed real-alone brokers format figures peer-packages peers bench-check kafka nats jaeger pack clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(STAMP): package.json package-lock.json
	@echo "installing packages (Node 22 among them) ..."
	@# Not `npm ci`: it refuses the lock where a registry lacks the optional binaries of other platforms.
	@npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $(STAMP)

install: $(STAMP) ## install the locked packages, Node 22 among them

start: install ## run a gateway on its embedded log, with the try-it page on http://localhost:8080/; PORT=9080 uses 9080, and 9081 for the admin listener
	@echo '-- on other ports: make start PORT=9080'
	@exec bin/carillon serve --dev $(ports)

test: install ## everything: check, then the suites on a real Kafka and a real browser; prints how long each part took
	@$(RUN) scripts/test.ts

check: install lint types proto unit simulate ## format, lint, types, generated code, unit tests, and 3,400 simulated histories on virtual time

lint:
	@$(RUN) $(BIN)/biome check .

types: # includes the SDK on the platforms that docs/sdk.md promises
	@$(RUN) $(BIN)/tsc
	@$(RUN) $(BIN)/tsc -p tsconfig.sdk.json --noEmit

proto: ## generate the protobuf code again, and fail if it differs from the committed code
	@$(RUN) scripts/proto.ts --check

unit:
	@$(TEST) --test-concurrency=2 $(UNIT)

simulate: install ## simulate histories of a whole cluster on virtual time, and check them against the promises: make simulate SEEDS=1-100000
	@$(RUN) scripts/simulate.ts --seeds $(SEEDS) --failed --fresh $(FRESH)
	@$(RUN) scripts/simulate.ts --source jetstream --seeds $(WIRE) --failed
	@$(RUN) scripts/simulate.ts --source kafka --seeds $(WIRE) --failed
	@$(RUN) scripts/simulate.ts --source embedded --seeds $(WIRE) --failed

fresh: install ## simulate the histories that `make test` draws from the current code: run it before a commit
	@$(RUN) scripts/simulate.ts --fresh $(FRESH)

coverage: install ## list the lines and branches of src that the simulated SEEDS run, and the unit tests that run the others
	@$(RUN) scripts/coverage.ts --seeds $(SEEDS)

mutants: install ## check that the tests find faults that are put into a copy of the code, one at a time; ONLY=session/ selects some (half an hour for all)
	@$(RUN) scripts/mutants.ts $(if $(ONLY),--only '$(ONLY)')

real: real-beside real-timed real-alone ## run the suites that need a real broker, browser or process

real-beside: install brokers
	@$(TEST) --test-concurrency=3 $(BESIDE)

real-timed: install brokers
	@$(TEST) --test-concurrency=2 $(TIMED)

real-alone: install brokers
	@$(TEST) --test-concurrency=1 $(ALONE)

brokers: kafka nats jaeger

kafka: ## install Apache Kafka from Maven Central into .cache (needs Java 17 and Maven, and reports if they are missing)
	@$(RUN) scripts/kafka.ts install

nats: ## build nats-server into .cache (needs Go, and reports if it is missing)
	@$(RUN) scripts/nats.ts install

jaeger: ## build Jaeger into .cache (needs Go; takes four minutes on two cores, once)
	@$(RUN) scripts/jaeger.ts install

pack: install ## build the packages that users install into dist/: carillon (the gateway) and carillon-client (the SDK, no dependencies)
	@$(RUN) scripts/pack.ts

figures: install kafka nats ## measure CPU, latency and memory on this host, and write docs/figures.md (two minutes; keep the host quiet)
	@$(RUN) scripts/figures.ts --docs

peer-packages: install ## fetch the servers that `make peers` compares, and the clients and proxies of other suites, into .cache/peers
	@$(RUN) scripts/peers.ts install

peers: peer-packages kafka nats ## measure Carillon and other servers under the same load, and write docs/benchmarks.md (15 minutes; keep the host quiet)
	@$(RUN) scripts/peers.ts --docs $(PEERS)

bench-check: install kafka ## check whether the gateway has become slower, relative to a bare uWebSockets.js server (three minutes; keep the host quiet)
	@$(RUN) scripts/bench-check.ts

reconnect-storm: install ## measure range reads, latency and losses while ten thousand clients come back at once (three minutes; keep the host quiet)
	@$(RUN) scripts/reconnect-storm.ts

soak: install ## check that memory stays flat and nothing is lost during MINUTES=30 of churn, slow clients and a steady flow
	@$(RUN) scripts/soak.ts --minutes $(MINUTES)

attack: install ## attack a gateway beside honest clients, with each attack alone and with all at once (40 minutes; keep the host quiet): make attack SECONDS=10 ONLY=json-pings,together
	@$(RUN) scripts/attack.ts $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ONLY),--only '$(ONLY)')

faults: install kafka nats ## cause FAULTS=100 real faults of brokers, gateways and the network under CLIENTS=1000, and check that nothing is lost or repeated
	@$(RUN) scripts/faults.ts --faults $(FAULTS) --clients $(CLIENTS)

format: install ## format and sort imports in place
	@$(RUN) $(BIN)/biome check --write .

clean: ## remove the files that the tests and `make start` created
	rm -rf .cache .carillon
