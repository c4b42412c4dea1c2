# `make help` says what there is. Every target that needs packages installs them into .venv first.

export PYTHON
BIN := .venv/bin
CONTRACT := payflow/v1/payflow.protoset\#format=binpb
ACCEPTED := proto/accepted.binpb

.DEFAULT_GOAL := help
.PHONY: help run test test-kill test-torture test-relay test-kafka test-chaos benchmark benchmark-ledger benchmark-routing benchmark-replay benchmark-relay check format proto accept-contract clean install-run install-dev

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

run: install-run ## Start everything here, until Ctrl-C
	@exec $(BIN)/payflow dev

test: install-dev ## Run all tests; they start what they need
	@$(BIN)/python -m pytest

test-kill: install-dev ## Kill processes at random for PAYFLOW_KILL_S seconds (600 when not set)
	@PAYFLOW_KILL_S=$${PAYFLOW_KILL_S:-600} $(BIN)/python -m pytest -s --timeout=0 tests/scenario/test_random_kills.py

test-torture: install-dev ## Torture the ledger, 600 s or for PAYFLOW_TORTURE_S and PAYFLOW_TORTURE_TRANSACTIONS
	@export PAYFLOW_TORTURE_S=$${PAYFLOW_TORTURE_S:-$${PAYFLOW_TORTURE_TRANSACTIONS:+0}}; \
	PAYFLOW_TORTURE_S=$${PAYFLOW_TORTURE_S:-600} PAYFLOW_TORTURE_SEED=$${PAYFLOW_TORTURE_SEED:-$$(date +%s)} \
	$(BIN)/python -m pytest -s --timeout=0 tests/scenario/test_torture.py

test-relay: install-dev ## Kill relays under load until PAYFLOW_RELAY_EVENTS events (50,000 when not set) have arrived
	@PAYFLOW_RELAY_EVENTS=$${PAYFLOW_RELAY_EVENTS:-50000} PAYFLOW_RELAY_HELD_S=$${PAYFLOW_RELAY_HELD_S:-10} \
	$(BIN)/python -m pytest -s --timeout=0 tests/scenario/test_relay_kills.py tests/scenario/test_relay_late_commits.py

test-kafka: install-dev ## The same through Apache Kafka, which is stopped and killed as well; needs Java 17 and Maven
	@PAYFLOW_RELAY_BROKER=apache-kafka PAYFLOW_RELAY_EVENTS=$${PAYFLOW_RELAY_EVENTS:-50000} \
	$(BIN)/python -m pytest -s --timeout=0 tests/integration/kafka tests/scenario/test_relay_kills.py

test-chaos: install-dev ## Make PAYFLOW_CHAOS_PAYMENTS payments (10,000 when not set) over PSPs with every fault
	@PAYFLOW_CHAOS_PAYMENTS=$${PAYFLOW_CHAOS_PAYMENTS:-10000} $(BIN)/python -m pytest -s tests/scenario/test_chaos.py

benchmark: install-dev ## Measure requests a second beside an empty RPC
	@$(BIN)/python -m benchmarks.requests_per_second

benchmark-ledger: install-dev ## Measure ledger transactions in bulk beside SQL
	@$(BIN)/python -m benchmarks.bulk_transactions

benchmark-routing: install-dev ## Measure routing decisions beside hashing
	@$(BIN)/python -m benchmarks.routing_decisions

benchmark-replay: install-dev ## Measure how fast everything is rebuilt from 100,000 events
	@$(BIN)/python -m benchmarks.replay

benchmark-relay: install-dev ## Measure how fast one relay publishes 50,000 events beside the bare producer
	@$(BIN)/python -m benchmarks.relay

check: install-dev ## Format, lint, types, imports, contract
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python proto/generate.py --check
	$(BIN)/buf lint '$(CONTRACT)' --path payflow/v1
	$(BIN)/buf breaking '$(CONTRACT)' --against $(ACCEPTED)

format: install-dev ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

proto: install-dev ## Generate payflow/v1 and its descriptor set from proto/
	@$(BIN)/python proto/generate.py

accept-contract: proto ## Make the contract as it is now the one that must not break
	cp payflow/v1/payflow.protoset $(ACCEPTED)

clean: ## Delete .venv and caches; the data in .payflow stay
	rm -rf .venv build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find payflow server migrations tests proto -name __pycache__ -prune -exec rm -rf {} +

install-run install-dev: install-%:
	@deploy/install.sh $*
