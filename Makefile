# Everything a contributor or a user types. `make` alone lists it.
# ARGS passes options on: make run ARGS="--port 9000 -v"

VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
COVERAGE ?= 90
export VENV

.DEFAULT_GOAL := help
.PHONY: help run download doctor up up-gpu down logs test test-fast test-pythons test-engines test-compose \
	test-fresh check check-locks fmt bench bench-gpu docs lock clean embedded dev

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: embedded ## Install, prepare the models, start the mesh; Ctrl-C stops it
	@exec $(BIN)/mesh up $(ARGS)

download: embedded ## Prepare the models only, for a start without a network
	@$(BIN)/mesh download $(ARGS)

doctor: embedded ## Say what is missing and the command that fixes it
	@$(BIN)/mesh doctor

up: ## The mesh in containers: build, start, wait until it is ready (ARGS=gateway: without Ollama)
	@scripts/containers.sh up $(ARGS)

up-gpu: ## The same with GPU engines: TTS_GPU_ENGINE=nemo|xtts STT_GPU_ENGINE=parakeet|whisper
	@scripts/containers.sh up-gpu $(ARGS)

down: ## Stop and remove the containers (ARGS=-v: models, caches and voices too)
	@scripts/containers.sh down $(ARGS)

logs: ## Follow what the containers log
	@scripts/containers.sh logs $(ARGS)

test: check ## Checks, then all tests; fails under 90 % coverage
	@$(BIN)/mesh download
	@$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=$(COVERAGE) $(ARGS)

test-fast: check ## Checks, and the tests that need no models: under two minutes
	@$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not models and not e2e" tests/unit tests/contract $(ARGS)

test-pythons: ## The tests that matter on each Python from 3.11 to 3.14 found here (ARGS="3.12 3.13": those)
	@scripts/test_pythons.sh $(ARGS)

test-fresh: ## Both README commands as on a new machine: no caches, a new home, oldest and newest pip
	@scripts/test_fresh.sh $(ARGS)

test-engines: ## Tests of the torch engines, in their own environment (gigabytes, kept outside)
	@$$(scripts/setup_engines.sh) -m pytest -o filterwarnings=default -m engines tests $(ARGS)

test-compose: dev ## Tests of the containers: builds the images and runs them
	@$(BIN)/python -m pytest tests/compose -p no:randomly --durations=10 $(ARGS)

check: dev ## Lint, formatting, types, layers, generated documentation
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/generate_docs.py --check

check-locks: ## Whether all that the locks name can be had today, for each Python and processor
	@python3 scripts/check_locks.py $(ARGS)

fmt: dev ## Format the code and sort its imports
	@$(BIN)/ruff check --select I --fix --quiet .
	@$(BIN)/ruff format .

bench: dev ## Measure speed and accuracy; writes bench-results/
	@$(BIN)/mesh download
	@$(BIN)/python -m tests.bench $(ARGS)

bench-gpu: ## Measure the GPU engines at their real sizes, random weights (ARGS=--tiny: no GPU)
	@python=$${PYTHON_ENGINES:-$$(scripts/setup_engines.sh)} && "$$python" -m tests.bench.gpu $(ARGS)

docs: dev ## Regenerate the settings table, .env.example and the OpenAPI files
	@$(BIN)/python scripts/generate_docs.py

lock: ## Resolve requirements/*.lock anew (ARGS=--upgrade for the newest versions)
	@scripts/lock.sh $(ARGS)

clean: ## Remove what was built, the environment too; models stay (in ~/.cache/voicemesh)
	@rm -rf $(VENV) $(VENV).lock build dist bench-results htmlcov .coverage .coverage.* \
		.pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

embedded:
	@scripts/setup_env.sh embedded

dev:
	@scripts/setup_env.sh dev
