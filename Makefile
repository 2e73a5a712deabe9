# Two commands matter: `make demo` does the main job on real data, `make test` runs every check that CI runs.
PYTHON ?= python3
BIN := .venv/bin
MINUTES ?= 60
SAMPLE ?= 400
OLDEST := 3.17.0# the MLflow that pyproject.toml claims at least
SOURCES := aims_mlflow hooks checks tests examples benchmarks

unexport PYTHONDONTWRITEBYTECODE # what is imported is compiled once, not by every process

.PHONY: libraries engines others demo test full mutants fuzz figures still bench screenshots lint types mypy pyright unit lock clean

PIP := $(BIN)/pip install --quiet --no-compile --no-deps --require-hashes --requirement # what is imported is compiled then

.venv/ready: $(filter-out requirements-hunting.lock,$(wildcard *.lock)) pyproject.toml
	$(PYTHON) -m venv .venv
	$(MAKE) --jobs 2 libraries engines others
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

libraries:
	$(PIP) requirements.lock

engines: # as large as all the rest, so beside it
	-$(PIP) requirements-torch.lock # only where its CPU build is at hand
	$(PIP) requirements-spark.lock

others: # the oldest and the newest MLflow, beside the one of the environment
	$(PIP) requirements-mlflow-oldest.lock --upgrade --target .venv/mlflow-oldest
	$(PIP) requirements-mlflow-newest.lock --upgrade --target .venv/mlflow-newest

demo: .venv/ready
	$(BIN)/aims demo

test: .venv/ready
	$(MAKE) --jobs 2 --output-sync still
	$(MAKE) unit

full: .venv/ready # every case, frame, row and round of the longest tests, of which `make test` runs a part; takes an hour
	AIMS_TESTS_FULL=1 AIMS_RACE_ROUNDS=125 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.venv/hunting: .venv/ready requirements-hunting.lock
	$(PIP) requirements-hunting.lock
	touch $@

mutants: .venv/hunting # what decides, changed in one place at a time: how many changes the tests see
	$(BIN)/python -m tests.mutation --sample $(SAMPLE)

fuzz: .venv/hunting # worse and worse bytes for every reader of foreign ones
	$(BIN)/python -m tests.fuzzing --minutes $(MINUTES)

figures: .venv/hunting # kills, faults, histories, soak, mutants and fuzzing, printed into docs/reliability.md; takes hours
	$(BIN)/python -m tests.reliability.figures

still: lint types # what is seen without running anything; each takes one core

bench: .venv/ready # against what one would do instead; docs/benchmarks.md has a table that was measured
	$(BIN)/python -m benchmarks

screenshots: .venv/ready # the pictures of the pages in docs/images, from the demo; needs chromium
	$(BIN)/python docs/screenshots.py

lint: .venv/ready
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: pyright mypy

mypy: .venv/ready
	$(BIN)/mypy

pyright: .venv/ready
	$(BIN)/pyright --pythonpath $(BIN)/python

unit: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lock: # resolves anew; names versions and hashes, never an address; rfc3987-syntax costs each import of jsonschema two seconds
	$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --no-emit-package rfc3987-syntax --no-emit-package lark --no-header --output-file requirements.lock
	echo 'pyspark>=4,<4.1' | $(BIN)/uv pip compile - --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --no-header --output-file requirements-spark.lock

	printf 'mutmut\natheris\n' | $(BIN)/uv pip compile - --constraint requirements.lock --generate-hashes --no-emit-index-url \
	  --python-version 3.11 --no-header --output-file requirements-hunting.lock
	printf 'mlflow==%s\n' $(OLDEST) | sed 'p; s/w=/w-skinny=/p; s/-skinny/-tracing/' \
	  | $(BIN)/uv pip compile - --no-deps --generate-hashes --no-emit-index-url --no-header --output-file requirements-mlflow-oldest.lock
	echo 'mlflow>=3.17,<4' | $(BIN)/uv pip compile - --no-deps --generate-hashes --no-emit-index-url --no-header \
	  --output-file requirements-mlflow-newest.lock

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis aims-demo
