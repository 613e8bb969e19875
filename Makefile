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
# Over the models of brokers below the real adapters.
WIRE = 1-120
MINUTES = 30
FAULTS = 100
CLIENTS = 1000
PEERS =
# Real suites that measure, or have bounds on milliseconds or memory, run alone on the host. Those with bounds on seconds run two at a time with nothing
# else beside them, the others three at a time; each has ports of its own.
suites = $(patsubst %,test/real/%.test.ts,$(1))
ALONE = $(call suites,attack bench figures gateway-pressure kafka-odd peers reconnect-storm)
TIMED = $(call suites,faults-kafka faults-nats proxies soak sse-clients traces)
BESIDE = $(filter-out $(ALONE) $(TIMED),$(shell find test/real -name '*.test.ts' | sort))
# Where the command line says so: programs of other kinds have a PORT in the environment.
ports = $(if $(filter command%,$(origin PORT)),--listen 127.0.0.1:$(PORT) --admin 127.0.0.1:$(shell expr $(PORT) + 1))
REPORTERS = spec ./test/timing.ts ./test/skipped.ts
# Of a test and of a file. What takes four seconds of CPU takes over a minute at the side of busy processes: it ends what waits in vain.
TEST = PATH="$(dir $(NODE)):$$PATH" $(RUN) --test --test-timeout=600000 $(foreach each,$(REPORTERS),--test-reporter=$(each) --test-reporter-destination=stdout)

.PHONY: help start test check install lint types proto unit simulate fresh coverage mutants reconnect-storm soak attack faults real real-beside real-timed real-alone brokers format figures peer-packages peers bench-check kafka nats jaeger pack clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): package.json package-lock.json
	@echo "installing packages (Node 22 among them) ..."
	@# Not `npm ci`: it refuses the lock where a registry lacks the optional binaries of other platforms.
	@npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $(STAMP)

install: $(STAMP) ## install the locked packages, Node 22 among them

start: install ## run the gateway on its embedded log, with a page to try it on http://localhost:8080/; PORT=9080: there, and the admin listener on 9081
	@echo '-- on other ports: make start PORT=9080'
	@exec bin/carillon serve --dev $(ports)

test: install ## everything: check, and the suites on a real Kafka and a real browser; ends with what each part took
	@$(RUN) scripts/test.ts

check: install lint types proto unit simulate ## format, lint, types, generated code, unit tests, 3,400 histories on virtual time

lint:
	@$(RUN) $(BIN)/biome check .

types: # the SDK against the platforms that docs/sdk.md promises as well
	@$(RUN) $(BIN)/tsc
	@$(RUN) $(BIN)/tsc -p tsconfig.sdk.json --noEmit

proto: ## regenerate the protobuf code and fail when it differs from what is committed
	@$(RUN) scripts/proto.ts --check

unit:
	@$(TEST) --test-concurrency=2 $(UNIT)

simulate: install ## histories of a whole cluster on virtual time, held against the promises: make simulate SEEDS=1-100000
	@$(RUN) scripts/simulate.ts --seeds $(SEEDS) --failed --fresh $(FRESH)
	@$(RUN) scripts/simulate.ts --source jetstream --seeds $(WIRE) --failed
	@$(RUN) scripts/simulate.ts --source kafka --seeds $(WIRE) --failed
	@$(RUN) scripts/simulate.ts --source embedded --seeds $(WIRE) --failed

fresh: install ## the simulated histories that `make test` draws anew for the code as it lies here: run it before a commit
	@$(RUN) scripts/simulate.ts --fresh $(FRESH)

coverage: install ## lines and branches of src that SEEDS run, and which unit tests have the rest
	@$(RUN) scripts/coverage.ts --seeds $(SEEDS)

mutants: install ## what the tests catch: faults put into a copy of the code, one at a time; ONLY=session/ takes some (half an hour for all)
	@$(RUN) scripts/mutants.ts $(if $(ONLY),--only '$(ONLY)')

real: real-beside real-timed real-alone ## the suites that need a real broker, browser or process

real-beside: install brokers
	@$(TEST) --test-concurrency=3 $(BESIDE)

real-timed: install brokers
	@$(TEST) --test-concurrency=2 $(TIMED)

real-alone: install brokers
	@$(TEST) --test-concurrency=1 $(ALONE)

brokers: kafka nats jaeger

kafka: ## install Apache Kafka from Maven Central into .cache (needs Java 17 and Maven; says so when they are missing)
	@$(RUN) scripts/kafka.ts install

nats: ## build nats-server into .cache (needs Go; says so when it is missing)
	@$(RUN) scripts/nats.ts install

jaeger: ## build Jaeger into .cache (needs Go; four minutes on two cores, once)
	@$(RUN) scripts/jaeger.ts install

pack: install ## the packages that users install, into dist/: carillon (the gateway) and carillon-client (the SDK, no dependencies)
	@$(RUN) scripts/pack.ts

figures: install kafka nats ## measure CPU, latency and memory on this host (two minutes; keep it quiet) into docs/figures.md
	@$(RUN) scripts/figures.ts --docs

peer-packages: install ## fetch what `peers` and its suite compare with, and the clients and proxies of other suites, into .cache/peers
	@$(RUN) scripts/peers.ts install

peers: peer-packages kafka nats ## Carillon and others under the same load, one after the other (a quarter of an hour; keep the host quiet) into docs/benchmarks.md
	@$(RUN) scripts/peers.ts --docs $(PEERS)

bench-check: install kafka ## whether the gateway has become slower: its ratios over a bare uWebSockets.js server (three minutes; keep the host quiet)
	@$(RUN) scripts/bench-check.ts

reconnect-storm: install ## ten thousand clients come back at once: range reads, latency, losses (three minutes; keep the host quiet)
	@$(RUN) scripts/reconnect-storm.ts

soak: install ## MINUTES=30 of churn, slow clients and a steady flow: whether the gateway's memory stays flat, and nothing is lost
	@$(RUN) scripts/soak.ts --minutes $(MINUTES)

attack: install ## attacks on a gateway beside honest clients, each alone and all at once (40 minutes; keep the host quiet): make attack SECONDS=10 ONLY=json-pings,together
	@$(RUN) scripts/attack.ts $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ONLY),--only '$(ONLY)')

faults: install kafka nats ## FAULTS=100 real faults of brokers, gateways and network under CLIENTS=1000: nothing lost, nothing twice
	@$(RUN) scripts/faults.ts --faults $(FAULTS) --clients $(CLIENTS)

format: install ## format and sort imports in place
	@$(RUN) $(BIN)/biome check --write .

clean: ## remove what the tests and `make start` left behind
	rm -rf .cache .carillon
