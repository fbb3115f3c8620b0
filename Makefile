# Everything a person or CI does here. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
# Where it is set every program compiles every module it imports at every start: the platform's first import takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
SETUP := scripts/setup
INPUTS := pyproject.toml requirements.lock $(SETUP)
PYTEST := $(BIN)/python -m pytest
ARGS ?=
# Three on two cores: the real-time tests of the edge leave them idle.
WORKERS ?= 3
FUZZ_SECONDS ?= 300

.PHONY: help
help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup setup-dev setup-train setup-browser setup-aws setup-audit lock
setup: .venv/.runtime ## all that runs the platform and the demo (no torch)
setup-dev: .venv/.dev ## the tools and services of the tests
setup-train: .venv/.train ## torch for the CPU (GPU=1: with CUDA) and ultralytics, to train the detector
setup-browser: .venv/.browser ## Chromium for the browser tests
setup-aws: .venv-aws/.ready ## the CDK, its node and its checkers, in an environment of their own

.venv/.runtime: $(INPUTS)
	@$(SETUP) runtime && touch $@
.venv/.dev: .venv/.runtime
	@$(SETUP) dev && touch $@
.venv/.train: .venv/.runtime
	@$(SETUP) train && touch $@
.venv/.browser: .venv/.runtime
	@$(SETUP) browser && touch $@
.venv-aws/.ready: pyproject.toml requirements-aws.lock requirements-scan.lock $(SETUP)
	@$(SETUP) aws && touch $@

setup-audit: .venv-audit/.ready ## the tools that list and audit what is installed, in an environment of their own
.venv-audit/.ready: requirements-audit.lock $(SETUP)
	@$(SETUP) audit && touch $@

setup-load: .venv-load/.ready ## Locust, in an environment of its own
.venv-load/.ready: requirements-load.lock $(SETUP)
	@$(SETUP) load && touch $@

.PHONY: audit sbom
audit: setup-dev setup-audit ## bill of materials, licences, known weaknesses of the locked versions (needs the network)
	@$(BIN)/python -m infra.audit sbom && $(BIN)/python -m infra.audit licences && $(BIN)/python -m infra.audit advisories
sbom: setup-dev setup-audit ## write build/sbom.cdx.json (CycloneDX)
	@$(BIN)/python -m infra.audit sbom $(ARGS)

lock: setup-dev setup-train ## write requirements.lock from what is installed
	@$(SETUP) lock

.PHONY: release
release: setup-dev setup-audit ## wheel, requirements, bill of materials and notes of this commit into dist/, signed (KEY=Ed25519 PEM)
	@$(BIN)/python -m infra.local.release --key "$(KEY)" $(ARGS)

.PHONY: demo up down doctor
demo: setup ## fly one inspection from start to ticket (ARGS="--exit --json")
	@$(BIN)/kestrel demo $(ARGS)
up: setup ## start the platform
	@$(BIN)/kestrel up $(ARGS)
down: ## stop the platform
	@$(BIN)/kestrel down $(ARGS)
doctor: setup ## say what is wrong and how to mend it
	@$(BIN)/kestrel doctor $(ARGS)

.PHONY: test check killed format unit backends journeys browser screens words
# In this order, so that no long file is left for one worker at the end.
UNIT := tests/unit/vision/ tests/unit/simulators/
UNIT += $(filter-out $(UNIT) tests/unit/edge/ %/__pycache__/,$(wildcard tests/unit/*/)) $(wildcard tests/unit/test_*.py)
# First what forks (the edge's faults), while its process is small: later it took six times as long.
# The check is one process and beside it runs what waits most: real-time flights and pages. After it come the walks of
# kills, 1,200 forks, in a process that has imported nothing else: a worker's pages would be copied for each.
test: setup-dev setup-train setup-browser ## everything CI runs: check, then every test
	@mkdir -p build; $(MAKE) -sk check killed >build/check.txt 2>&1 & checked=$$!; \
	$(PYTEST) -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore=tests/unit/edge/killed tests/unit/edge tests/browser tests/journeys/test_edge_faults.py tests/architecture tests/backends $(UNIT) --junitxml=build/tests.xml $(ARGS); tested=$$?; \
	wait $$checked; checked=$$?; cat build/check.txt; [ $$checked = 0 ] && [ $$tested = 0 ]
	@$(PYTEST) -q --junitxml=build/journeys.xml tests/journeys --deselect tests/journeys/test_edge_faults.py $(ARGS)
killed: setup-dev ## a drone's programs, killed at every durable operation
	@$(PYTEST) -q --junitxml=build/killed.xml tests/unit/edge/killed $(ARGS)
check: setup-dev ## lint, types, import rules
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 3
format: setup-dev ## format the code
	@$(BIN)/ruff format && $(BIN)/ruff check --fix
unit: setup-dev ## fast tests
	@$(PYTEST) -q -n $(WORKERS) --dist loadfile tests/architecture tests/unit $(ARGS)
backends: setup-dev ## tests against Postgres, Mosquitto, MiniStack, moto
	@$(PYTEST) -q tests/backends $(ARGS)
journeys: setup-dev ## whole flights on the whole stack
	@$(PYTEST) -q tests/journeys $(ARGS)
browser: setup-dev setup-browser ## the page in Chromium
	@$(PYTEST) -q tests/browser $(ARGS)
screens: setup-dev setup-browser ## take pictures of every page into docs/screens (ARGS="--only asset --out DIR")
	@$(BIN)/python scripts/screens $(ARGS)

words: setup-dev ## gather what the pages say into cloud/web/catalogues; exit 1 where something is not translated (ARGS="--new fr")
	@$(BIN)/python scripts/words $(ARGS)

EXAMPLES ?= 1000
PLAN_EXAMPLES ?= 10000
.PHONY: properties plan-property
properties: setup-dev ## the long run of every property, at random (EXAMPLES=1000; an hour)
	@KESTREL_EXAMPLES=$(EXAMPLES) $(PYTEST) -q -n $(WORKERS) --timeout=0 -m hypothesis tests/unit $(ARGS)
plan-property: setup-dev ## the long run: no emitted route fails its own go/no-go (PLAN_EXAMPLES=10000; some 20 minutes)
	@KESTREL_PLANNER_EXAMPLES=$(PLAN_EXAMPLES) $(PYTEST) -q -s --timeout=0 --hypothesis-show-statistics \
	  tests/unit/cloud/planning/test_flights.py -k fails_its_own_checks $(ARGS)

FUZZ_MINUTES ?= 10
.PHONY: client client-wheel fuzz-api fuzz
fuzz: setup-dev ## every parser of foreign bytes, FUZZ_MINUTES=10 of processor time each; crashes go to the corpus
	@$(BIN)/python -m tests.fuzzing --minutes $(FUZZ_MINUTES) $(ARGS)
client: setup-dev ## write the typed client from the API's document
	@$(BIN)/kestrel-cloud openapi > .kestrel-openapi.json && $(BIN)/python scripts/client.py .kestrel-openapi.json client; rm -f .kestrel-openapi.json
client-wheel: setup-dev ## build kestrel-client, install it into an empty environment, use it against the live API
	@$(BIN)/python -m tests.client_wheel $(ARGS)
fuzz-api: setup-dev ## Schemathesis against the live API, all checks on (FUZZ_SECONDS=300)
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

BASE ?= origin/main
.PHONY: synth infra-check infra-snapshot infra-diff
SIZES ?= pilot fleet enterprise
synth: setup-aws ## write the CloudFormation templates of all three sizes; no account, no Docker, no network
	@.venv-aws/bin/python -m infra.aws synth $(foreach size,$(SIZES),--size $(size)) --out build/aws $(ARGS)
infra-check: setup-dev setup-aws ## every gate on the templates, and a rehearsal on the emulator; one table at the end
	@KESTREL_AWS_REHEARSAL=1 $(PYTEST) -q -s --tb=short tests/backends/test_aws_rehearsal.py
	@.venv-aws/bin/python -m infra.aws check $(ARGS)

infra-snapshot: synth ## write infra/aws/snapshots anew: what the templates hold, to be read in the diff
	@.venv-aws/bin/python -m infra.aws snapshot
infra-diff: setup-aws ## what a deployment would add, change, replace, delete since BASE=origin/main; no account needed
	@.venv-aws/bin/python -m infra.aws changes --base "$(BASE)" $(ARGS)

.PHONY: deploy diff drift restore-drill teardown
deploy: setup setup-aws ## deploy an environment to AWS: ENV=NAME of infra/aws/environments (TAG=version)
	@$(BIN)/python -m infra.aws.operations deploy --env "$(ENV)" $(if $(TAG),--tag $(TAG)) $(ARGS)
diff: setup setup-aws ## what a deployment would change (ENV=NAME); exit 1 where anything
	@$(BIN)/python -m infra.aws.operations diff --env "$(ENV)" $(if $(TAG),--tag $(TAG)) $(ARGS)
drift: setup setup-aws ## what was changed by hand on AWS (ENV=NAME); exit 1 where anything
	@$(BIN)/python -m infra.aws.operations drift --env "$(ENV)" $(ARGS)
restore-drill: setup setup-aws ## restore the database on AWS beside itself, use it, delete it (ENV=NAME); prints RPO and RTO
	@$(BIN)/python -m infra.aws.operations restore-drill --env "$(ENV)" $(ARGS)
teardown: setup setup-aws ## delete the stacks on AWS, keep what was recorded (ENV=NAME ARGS="--confirm ACCOUNT")
	@$(BIN)/python -m infra.aws.operations teardown --env "$(ENV)" $(ARGS)

RETRAIN_EPOCHS ?= 60
KILLS ?= 500
.PHONY: chaos
.PHONY: load bench bench-vision bench-ingest bench-ticket bench-pages mavlink edge-size edge-faults drill retrain-run defect-life train docs clean
bench: setup-dev setup-train ## measure against the budgets of docs
	@$(SETUP) baselines && $(BIN)/python -m benchmarks $(ARGS)
bench-ticket: setup-dev ## 50 critical crops at once to their SAP numbers, on the live stack
	@$(BIN)/python -m benchmarks.ticket $(ARGS)
bench-pages: setup-dev setup-browser ## the pages in Chromium with 100,000 findings and 20 drones in the air: paint, interactions, bytes
	@$(BIN)/python -m benchmarks.pages $(ARGS)
bench-vision: setup-dev setup-train ## one 4K clip with truth, the same weights: Kestrel, `yolo predict`, SAHI
	@$(SETUP) baselines && $(BIN)/python -m benchmarks.vision $(ARGS)
SOAK ?= 0
load: setup-dev setup-load ## 10 M samples, 100,000 findings: API mix, 200 watchers, 50 uploads, SOAK=120 minutes; build/load.json
	@$(BIN)/python -m benchmarks.load --soak $(SOAK) $(ARGS)
bench-ingest: setup-dev ## telemetry into Postgres beside raw COPY, common libraries and collectd; time until it can be read
	@$(SETUP) collector && $(BIN)/python -m benchmarks.ingest $(ARGS)
mavlink: setup-dev ## write the agent's MAVLink dialect from pymavlink's definitions
	@$(BIN)/python scripts/dialect.py edge/backends/mavlink_dialect.py
edge-size: ## what the agent weighs in a fresh environment, and how fast it starts
	@PYTHON=$(BIN)/python scripts/edge-size
edge-faults: setup-dev ## the long run: 200 kills, 1000 damaged outboxes
	@KESTREL_KILLS=200 KESTREL_FUZZ=1000 $(PYTEST) -q -s tests/journeys/test_edge_faults.py $(ARGS)
chaos: setup-dev ## KILLS=500 random SIGKILLs over every process of a running platform and the tests of each fault; build/chaos.json
	@$(BIN)/python -m tests.chaos --kills $(KILLS) --rows $(ARGS)
drill: setup-dev ## back up a platform that is written to, kill it, wipe it, restore it, compare; prints RPO and RTO
	@$(BIN)/python -m tests.drill $(ARGS)
retrain-run: setup-dev setup-train ## one retraining on the emulator with the real trainer, as small as can be (RETRAIN_EPOCHS=60; four minutes and more)
	@KESTREL_RETRAIN_EPOCHS=$(RETRAIN_EPOCHS) $(PYTEST) -q -s tests/backends/test_retrain_workflow.py -k really $(ARGS)
defect-life: setup-dev ## the whole farm of 20 turbines and 5 inspections through the database: who is who, what grew
	@KESTREL_HISTORY_TURBINES=20 $(PYTEST) -q --timeout=0 tests/backends/test_defect_life.py $(ARGS)
train: setup-train ## train the detector anew (hours on a CPU)
	@$(BIN)/kestrel-vision train $(ARGS)
docs: setup ## write the generated pages of docs/
	@$(BIN)/python -m infra.docs $(ARGS)
	@$(BIN)/python -m cloud.planning.pictures
clean: ## remove what is built or cached; keeps .venv and every state directory
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
