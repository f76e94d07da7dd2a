# Everything a person does with a checkout. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help demo demo-extras install test explore check monitoring kibana-smoke format bench bench-ingest bench-e2e bench-quality bench-models bench-sketches bench-privacy bench-privacy-stream bench-storage bench-queries bench-dashboard soak soak-privacy soak-storage clean

# Options for what runs: make demo ARGS="--fresh", make test ARGS="tests/unit -k lock".
ARGS ?=
# The Python to build on; by default the first fitting one on PATH.
PYTHON ?=
export PYTHON
BIN := .venv/bin

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## install what a run needs, start everything, print one address; Ctrl-C stops it
	@./devstack/bootstrap.sh run
	@./devstack/bootstrap.sh mosquitto
	@exec $(BIN)/veilocity up $(ARGS)

demo-extras: ## the same with PostgreSQL, Cassandra and a schema registry; takes 1.5 GB of memory more
	@./devstack/bootstrap.sh extras
	@./devstack/bootstrap.sh mosquitto
	@./devstack/bootstrap.sh postgres
	@exec $(BIN)/veilocity up --extras $(ARGS)

install: ## install what tests and checks need, too
	@./devstack/bootstrap.sh dev

test: install ## run all tests on real servers
	@./devstack/bootstrap.sh browser
	@./devstack/bootstrap.sh prometheus
	@./devstack/bootstrap.sh mosquitto
	@./devstack/bootstrap.sh postgres
	$(BIN)/python -m tests.lanes $(ARGS)

explore: install ## run the property tests on examples that nobody has seen yet
	$(BIN)/python -m pytest tests/property $(ARGS)

check: install ## lint, format, types, import arrows, lock file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@./devstack/bootstrap.sh lock

format: install ## put the code in its format
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

bench: install ## measure algorithms against targets and peers
	$(BIN)/python -m benchmarks.micro
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.rules_kafka $(ARGS)

bench-ingest: install ## measure what the gateway and the MQTT bridge take on one core, beside a bare producer
	@./devstack/bootstrap.sh mosquitto
	$(BIN)/python -m benchmarks.ingest

bench-e2e: install ## measure the whole system: rate, delays, starts
	$(BIN)/python -m benchmarks.e2e
	$(BIN)/python -m benchmarks.demo_start

bench-quality: install ## judge labelled weeks of confusers and fraud, and keep the tables
	$(BIN)/python -m benchmarks.quality $(ARGS)

bench-models: install ## train the learned rules on labelled weeks, and judge them beside the written rules
	$(BIN)/python -m benchmarks.models $(ARGS)

bench-sketches: install ## measure the streaming algorithms against their peers
	$(BIN)/python -m benchmarks.sketches

bench-privacy: install ## measure anonymising, measures and identifiers against their peers, which get an environment of their own
	@./devstack/bootstrap.sh peers
	$(BIN)/python -m benchmarks.privacy --peers .veilocity/peers/bin/python $(ARGS)

bench-privacy-stream: install ## measure the streaming release from Kafka to both stores, on the driver and on executors
	$(BIN)/python -m benchmarks.privacy_stream $(ARGS)

bench-storage: install ## measure the writers beside the clients that they use, and what a micro-batch costs
	$(BIN)/python -m benchmarks.storage_bulk $(ARGS)

bench-queries: install ## measure every question of the pages on a million documents in both stores
	$(BIN)/python -m benchmarks.queries $(ARGS)

bench-dashboard: install ## measure the live map: smoothness, memory, how soon an alert is seen, what ten viewers cost
	@./devstack/bootstrap.sh browser
	$(BIN)/python -m benchmarks.dashboard $(ARGS)

kibana-smoke: install ## try the dashboards on a Kibana of yours: make kibana-smoke ARGS="--url http://127.0.0.1:5601"
	$(BIN)/veilocity kibana smoke $(ARGS)

monitoring: install ## write Grafana's dashboards and Prometheus's rules from veilocity/monitoring
	$(BIN)/python -m veilocity.monitoring

soak: install ## run the whole system, then the privacy stage alone, for long, with crashes, and add everything up
	$(BIN)/python -m benchmarks.soak $(ARGS)
	$(BIN)/python -m benchmarks.privacy_soak $(ARGS)

soak-privacy: install ## run the privacy stage for long, with kills, silences and new partitions, and judge what it released
	$(BIN)/python -m benchmarks.privacy_soak $(ARGS)

soak-storage: install ## write 1,000 records a second for a minute while the stores are stopped, killed, full, slow and cut off
	$(BIN)/python -m benchmarks.storage_faults $(ARGS)

clean: ## remove what was installed and made here; downloaded servers and the data of the demo stay
	rm -rf .venv .veilocity/uv .veilocity/uv-cache .veilocity/peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
