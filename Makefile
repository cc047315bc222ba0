# Tocsin. `make demo` to try it, `make test` to prove it.
PYTHON ?= python3
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo install test test-long check format bench soak lock clean

demo: $(VENV)/.runtime
	$(BIN)/tocsin demo --port $(PORT)

install: $(VENV)/.full

test: $(VENV)/.full
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# What takes real time, or its full length: real processes killed again and again, limits waited for in whole.
test-long: $(VENV)/.full
	$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

check: $(VENV)/.full
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/tocsin check --tests

format: $(VENV)/.full
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.full
	$(BIN)/python -m bench

soak: $(VENV)/.full
	$(BIN)/python -m pytest -m soak -n 0 $(PYTEST_ARGS)
	TEST_BOTH_DATABASES=1 $(BIN)/python -m pytest tests/stories

# Re-pin every dependency to the newest release that pyproject.toml admits.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header --no-emit-index-url --no-emit-find-links
lock: $(VENV)/.full
	printf 'hatchling\neditables\n' | $(COMPILE) --upgrade pyproject.toml - -o requirements.lock
	printf 'hatchling\neditables\n' | $(COMPILE) --extra test -c requirements.lock pyproject.toml - -o requirements-test.lock

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache

# Two steps, since pip refuses hashes together with a local project.
$(VENV)/.runtime: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.full: requirements-test.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements-test.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@ $(VENV)/.runtime
