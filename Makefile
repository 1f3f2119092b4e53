# The verbs of the project, the same for people and CI. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test check bench-quality bench-scaling bench-serving bench-web bench-scale bench-learning bench-main test-faults contract setup protos lock containers fuzz audit sbom clean
.DEFAULT_GOAL := help

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.demo ## real data, training, five agents, one shopper's journey
	$(BIN)/quintet demo

test: setup ## the whole test suite with branch coverage
	rm -f .coverage .coverage.*
	$(BIN)/python -m services.recommendation.compile_ahead
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist worksteal $(PYTEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: setup contract ## lint, types, import rules, contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile deploy/postgres/Dockerfile

contract: setup ## lint the protos, look for breaking changes, stale stubs, a stale OpenAPI document and stale pages
	$(BIN)/python scripts/check_contract.py
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python scripts/generate_stubs.py --check

bench-quality: setup ## measure on the public data sets in ../shared/data and write docs/benchmarks/quality.md
	$(BIN)/python -m benchmarks.quality $(BENCH_ARGS)

bench-scaling: setup ## measure how training grows, 10,000 to 100,000 products, and write docs/benchmarks/scaling.md
	$(BIN)/python -m benchmarks.quality.scaling $(BENCH_ARGS)

bench-serving: setup ## measure the five agents under load and write docs/benchmarks/serving.md; needs Go
	$(BIN)/python -m benchmarks.serving $(BENCH_ARGS)

bench-web: setup ## measure what HTTP costs over gRPC, and check every answer against the OpenAPI document
	$(BIN)/python -m benchmarks.web $(BENCH_ARGS)

bench-scale: setup ## measure growth, guards, overload, restarts and training as a shop grows, and write docs/benchmarks/scale.md; needs Go
	$(BIN)/python -m benchmarks.scale $(BENCH_ARGS)

bench-learning: setup ## measure whether what experiments find is true, and write docs/benchmarks/learning.md
	$(BIN)/python -m benchmarks.learning $(BENCH_ARGS)

bench-main: setup ## run the demo, an import, faults and a foreign file, and write docs/benchmarks/main.md
	$(BIN)/python -m benchmarks.main $(BENCH_ARGS)

test-faults: setup ## kill agents, break disks, databases, networks and clocks under load, and write docs/benchmarks/faults.md
	$(BIN)/python -m benchmarks.faults $(BENCH_ARGS)

fuzz: setup ## send 100,000 odd requests to real agents and write benchmarks/results/fuzz.json
	$(BIN)/python -m benchmarks.fuzz $(BENCH_ARGS)

audit: setup ## compare the locked dependencies with the known vulnerabilities; needs a network
	for lock in build runtime demo; do $(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements/$$lock.lock || exit 1; done

sbom: setup ## write a CycloneDX list of what the image is made of to dist/sbom.json
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements --output-reproducible --output-format JSON --output-file dist/sbom.json requirements/runtime.lock

containers: setup ## take the compose file up for real, run the journey, kill, scale, and take it down
	deploy/compose-test.sh

setup: $(VENV)/.dev ## make the environment for development

protos: setup ## generate the Python stubs, the OpenAPI document and the pages of the API
	$(BIN)/python scripts/generate_stubs.py

lock: setup ## pin all dependencies anew
	scripts/lock.sh

clean: ## remove the environment and what the demo made
	rm -rf $(VENV) .demo .build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache deploy/wheels/*.whl

$(VENV)/.base: requirements/build.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Quintet needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/build.lock
	@touch $@

$(VENV)/.demo: $(VENV)/.base requirements/demo.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements/demo.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	$(BIN)/python -m services.recommendation.compile_ahead
	@touch $@

$(VENV)/.dev: $(VENV)/.base requirements/dev.lock pyproject.toml
	$(PIP) install --require-hashes -r requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
