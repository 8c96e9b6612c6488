PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The demo needs a third of it.
DEMO_STAMP := $(VENV)/.installed-demo

.DEFAULT_GOAL := help
.PHONY: help venv demo test slow-test lint format docs chaos soak bench image-test infra-tools infra-test supply-tools supply \
  production-test audit lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## .venv with everything that tests, linters and the demo need

demo: $(DEMO_STAMP) ## the main job on this machine, no AWS account, no Docker (ARGS="--faults")
	$(BIN)/python -m worker demo $(ARGS)

test: $(STAMP) ## the tests, under 10 minutes
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow" $(ARGS)

slow-test: $(STAMP) ## the tests that wait for a minute or more; CI runs them too
	$(BIN)/pytest -n 2 -m slow $(ARGS)

lint: $(STAMP) ## ruff, mypy, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the code into the project's form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(STAMP) ## write the generated parts of the documentation anew
	$(BIN)/python -m tools.docs
	$(BIN)/python -m bench.cost_tables --write

chaos: $(STAMP) ## faults and kills against a ledger of every event, under 15 minutes (ARGS="--seed 7")
	$(BIN)/python -m chaos $(ARGS)

soak: $(STAMP) ## 100,000 interactions: memory flat, maps empty
	$(BIN)/python -m chaos.soak $(ARGS)

bench: $(STAMP) ## speed against the floor and the peers; writes docs/benchmarks/ (ARGS="--quick")
	$(BIN)/python -m bench $(ARGS)

image-test: $(STAMP) ## build the image, run the compose stack; needs a Docker engine
	$(BIN)/pytest tests/image --timeout 1800 $(ARGS)

infra-tools: ## the tools of infra-test that pip and npm have
	tools/infra-tools $(PYTHON)

infra-test: $(STAMP) ## Terraform, ECS files, Prometheus rules, state machine
	$(BIN)/pytest tests/infra --timeout 1800 $(ARGS)

supply-tools: ## the tools of supply and audit, from their locks
	tools/supply-tools $(PYTHON)

supply: $(STAMP) ## lint workflows, Dockerfile and compose, build the wheel twice, list what is in it
	$(BIN)/pytest tests/supply --ignore tests/supply/test_production_lock.py $(ARGS)

production-test: $(STAMP) ## the wheel on the production lock alone, in an environment made for it
	$(BIN)/pytest tests/supply/test_production_lock.py --timeout 300 $(ARGS)

audit: ## look every locked package up among the known holes; needs the network
	tools/audit

lock: ## write the lock files anew from pyproject.toml (needs uv)
	tools/lock

clean: ## remove what the targets made
	rm -rf $(VENV) dist build *.egg-info

$(STAMP): pyproject.toml requirements/dev.lock tools/venv
	@tools/venv $(PYTHON) $(VENV) dev
	@touch $@ $(DEMO_STAMP)

$(DEMO_STAMP): pyproject.toml requirements/local.lock requirements/build.lock tools/venv
	@tools/venv $(PYTHON) $(VENV) local
	@touch $@
