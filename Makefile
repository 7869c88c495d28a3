# `make` alone lists the targets. All of them work on a bare Debian machine with Python 3.11 or later, and each
# does the set-up that it needs; the second time that is a matter of milliseconds.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
READY := .venv/ready
JOBS ?= 2
KILLS ?= 100
SEED ?= 1
WORKERS ?= 3
LOCK := $(BIN)/uv pip compile --quiet --no-header --no-annotate --generate-hashes --no-emit-index-url \
	--no-emit-find-links --python-version 3.11

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^##  / { print substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##  run it
.PHONY: demo
demo: setup ## narrated videos become a dataset while you watch, judged by their truth (ARGS=… goes to it)
	@$(BIN)/vta-stream demo $(ARGS)

.PHONY: kafka
kafka: ## start a real single-node Apache Kafka on loopback
	@deploy/setup/debian.sh kafka
	@deploy/kafka/kafka.sh start

.PHONY: kafka-stop
kafka-stop: ## stop it; its data stays
	@deploy/kafka/kafka.sh stop

##  work on it
.PHONY: test
test: setup ## all tests, with a real Kafka, Prometheus, PostgreSQL and S3 server (ARGS=… goes to pytest)
	@deploy/setup/debian.sh test
	@deploy/setup/versitygw.sh
	@$(BIN)/pytest -q -n $(JOBS) --dist worksteal $(ARGS)

.PHONY: check
check: setup ## format, lint, types, the lock file, and the tables of the docs
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@if grep -n '://' constraints.txt deploy/setup/uv.txt; then echo "a lock file names a host; run: make lock" >&2; exit 1; fi
	@$(BIN)/python -m tests.docs_tables --check

.PHONY: format
format: setup ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

.PHONY: docs
docs: setup ## rewrite the generated tables of the docs, and the Grafana dashboard
	@$(BIN)/python -m tests.docs_tables
	@$(BIN)/python deploy/grafana/dashboard.py

.PHONY: bench
bench: setup ## measure, and print ratios to a baseline taken on the same machine
	@deploy/setup/debian.sh test
	@for file in tests/bench/[a-z]*.py; do echo "== $$file"; $(BIN)/python -m "$$(basename -s .py "$${file//\//.}")"; done

.PHONY: chaos
chaos: setup ## kill workers and the broker, fill the disk, and count what is lost (KILLS=1000 SEED=7)
	@deploy/setup/debian.sh test
	@deploy/setup/versitygw.sh
	@$(BIN)/python -m tests.faults.hostile --mutants $$((10 * $(KILLS))) --seed $(SEED)
	@$(BIN)/python -m tests.faults.chaos --kills $(KILLS) --seed $(SEED) --workers $(WORKERS) $(ARGS)

##  keep it
.PHONY: setup
setup: $(READY) ## .venv with all Python packages, and the Debian packages that running needs
	@deploy/setup/debian.sh run

$(READY): constraints.txt pyproject.toml deploy/setup/uv.txt
	@deploy/setup/python.sh
	@touch $@

.PHONY: lock
lock: $(READY) ## resolve pyproject.toml into constraints.txt, with hashes (ARGS=--upgrade for the newest)
	@$(LOCK) $(ARGS) --all-extras pyproject.toml -o constraints.txt
	@echo uv | $(LOCK) $(ARGS) - -o deploy/setup/uv.txt

.PHONY: clean
clean: ## remove .venv and all caches; data folders and Kafka's data stay
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	@find vta_stream tests deploy -name __pycache__ -type d -prune -exec rm -rf {} +
