PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: venv lock
venv:
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --require-hashes -r requirements/dev.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header pyproject.toml
lock:
	$(LOCK) --extra redis -o requirements/production.lock
	$(LOCK) --extra local -o requirements/local.lock
	$(LOCK) --extra dev -o requirements/dev.lock
