# Every target sets itself up: nothing but Python 3.11+ and make is needed beforehand (and a C compiler for speed).
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ENVIRONMENT := $(PYTHON) scripts/environments.py
DEV := .venv-dev/bin
# Further arguments of the program a target runs: make run ARGS="--set mqtt.max_sessions=10", make test ARGS="-k retain"
ARGS ?=
# How many tests run at once; a test of a cluster is three nodes and their clients, on two cores two are enough.
JOBS ?= 2
# Tests start hundreds of nodes: each would compile all sources anew where writing bytecode is turned off.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run cluster test test-fast test-compiled test-interop test-kafka fuzz kills simulate soak lint format bench bench-cluster \
	compose-up compose-down compose-test wheel contracts clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Install rmq into .venv (compiled where a C compiler is there) and run node 1 on 127.0.0.1:1883
	@$(ENVIRONMENT) run
	@exec .venv/bin/rmq-node --id 1 $(ARGS)

cluster: ## Install rmq into .venv and run three nodes as one cluster, MQTT on 127.0.0.1:1884, 1885 and 1886
	@$(ENVIRONMENT) run
	@exec .venv/bin/python scripts/cluster.py $(ARGS)

test: test-packages dev ## Run all tests, then unit and conformance tests again on the compiled wheel
	$(DEV)/python -m pytest -n $(JOBS) --dist worksteal --durations=20 --durations-min=10 $(ARGS)
	@$(MAKE) --no-print-directory test-compiled

test-fast: dev ## Run the tests that need neither patience nor foreign programs
	$(DEV)/python -m pytest -m "not slow and not fuzz and not interop_js and not interop_pypi" $(ARGS)

test-compiled: ## Run unit and conformance tests on the installed, compiled wheel
	@$(ENVIRONMENT) compiled
	scripts/test_compiled.sh -n $(JOBS) --dist worksteal $(ARGS)

test-interop: dev ## Run the interoperability tests (paho, aiomqtt, gmqtt, mosquitto's clients, mqtt.js, emqx-client-monitor)
	@PYTHON=$(PYTHON) scripts/test_packages.sh --js
	RMQ_INTEROP_JS=1 RMQ_INTEROP_PYPI=1 $(DEV)/python -m pytest tests/integration/interop $(ARGS)

test-kafka: dev ## Run the tests of bridges to Kafka with Kafka's own server, which Debian's Maven fetches once
	@scripts/test_packages.sh --kafka
	$(DEV)/python scripts/kafka_server.py
	RMQ_TEST_KAFKA=1 $(DEV)/python -m pytest tests/plugins/bridge_kafka $(ARGS)

fuzz: dev ## Run the fuzz tests at full length
	RMQ_FUZZ_PACKETS=$${RMQ_FUZZ_PACKETS:-200000} RMQ_FUZZ_REQUESTS=$${RMQ_FUZZ_REQUESTS:-100} \
		$(DEV)/python -m pytest -m fuzz $(ARGS)

kills: dev ## Kill a node, and nodes of a cluster, under load, RMQ_KILLS times (default 100), and account for every message
	RMQ_KILLS=$${RMQ_KILLS:-100} $(DEV)/python -m pytest tests/integration/storage/test_kills.py \
		tests/integration/cluster/test_kills.py $(ARGS)

simulate: dev ## Simulate a cluster with faults, RMQ_SIM_SEEDS courses (default 200), and with each rule of it taken out
	RMQ_SIM_SEEDS=$${RMQ_SIM_SEEDS:-200} RMQ_SIM_MUTATIONS=$${RMQ_SIM_MUTATIONS:-1} \
		$(DEV)/python -m pytest tests/simulation $(ARGS)

soak: dev ## Run a compiled node under mixed load for MINUTES (default 30), then simulate clusters with thousands of seeds
	@$(ENVIRONMENT) bench
	RMQ_TEST_PYTHON=$(CURDIR)/.venv-bench/bin/python $(DEV)/python -m tests.soak --minutes $(or $(MINUTES),30) $(ARGS)
	RMQ_SIM_SEEDS=$${RMQ_SIM_SEEDS:-2000} $(DEV)/python -m pytest tests/simulation/test_seeds.py
	RMQ_RAFT_SCHEDULES=$${RMQ_RAFT_SCHEDULES:-10000} $(DEV)/python -m pytest -n 2 tests/unit/cluster/raft/test_simulation.py

lint: dev ## Check style, types and layers
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .
	$(DEV)/mypy
	$(DEV)/lint-imports

format: dev ## Rewrite the sources in the project's style
	$(DEV)/ruff check --fix .
	$(DEV)/ruff format .

bench: test-packages ## Compare the compiled broker with mosquitto and write docs/benchmarks.md
	@$(ENVIRONMENT) bench
	.venv-bench/bin/python -m tests.bench.compare $(ARGS)

bench-cluster: ## Compare three compiled nodes with RabbitMQ, NATS and one node, and write docs/benchmarks-cluster.md
	@scripts/test_packages.sh --cluster
	@$(ENVIRONMENT) bench
	.venv-bench/bin/python -m tests.bench.cluster.compare $(ARGS)

compose-up: ## Build the image and run three nodes in containers (PROFILES="balancer monitoring" for what stands beside them)
	@$(PYTHON) scripts/compose.py up $(PROFILES:%=--profile %) $(ARGS)

compose-down: ## End the containers of compose-up; their data stay (ARGS=--volumes: they don't)
	@$(PYTHON) scripts/compose.py down $(ARGS)

compose-test: dev ## Run three nodes in containers, kill one, and start it again: what docs/deployment.md promises, for real
	@scripts/test_packages.sh --docker
	RMQ_TEST_COMPOSE=1 $(DEV)/python -m pytest tests/integration/deploy/test_containers.py $(ARGS)

wheel: ## Build the wheel into dist/ (RMQ_COMPILE=1: compiled or fail; RMQ_COMPILE=0: plain)
	@$(ENVIRONMENT) wheel dist

contracts: ## Extract tests/contracts from the API documents in SEEDS (default ../shared/seeds)
	$(PYTHON) -m scripts.extract_contracts $(or $(SEEDS),../shared/seeds) tests/contracts

clean: ## Remove everything that was built or installed here (data/ stays)
	rm -rf .venv .venv-dev .venv-compiled .venv-bench .venv-interop build dist rmq.egg-info .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache tests/integration/interop/js/node_modules
	find rmq cluster http_api plugins tests scripts -name __pycache__ -prune -exec rm -rf {} +

.PHONY: dev test-packages
dev:
	@$(ENVIRONMENT) dev

test-packages:
	@scripts/test_packages.sh
