# Every target works on a fresh machine with Python >= 3.11 and a package index.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# A worker a core, with one thread each (tests/conftest.py).
WORKERS := -n auto --maxprocesses 8 --dist worksteal
EXPERIMENTS := $(notdir $(basename $(wildcard conf/experiment/*.yaml)))

.DEFAULT_GOAL := help
.PHONY: help install train test test-fast lint format benchmark benchmark-quick clean $(addprefix reproduce-,$(EXPERIMENTS))

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "make %-24s %s\n", $$1, $$2}'
	@for e in $(EXPERIMENTS); do printf 'make %-24s %s\n' "reproduce-$$e" "Run experiment $$e again and compare with its recorded result."; done

# Python compiles what is imported, a tenth of what pip would.
define install
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hydratune needs Python >= 3.11; set PYTHON=…")'
$(PYTHON) -m venv $(VENV)
$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '$(1)'
endef

# The stamps are renewed when the dependencies change.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,.)
	@touch $@

# At once, where nothing is installed: pip takes a while to find out that all is there.
$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(call install,.[dev])
	@touch $(VENV)/.installed $@

install: $(VENV)/.installed  ## Create .venv with the tested versions of everything.

train: $(VENV)/.installed  ## Fine-tune MiniLM with LoRA on movie reviews. More: make train ARGS="strategy=full"
	$(BIN)/python -m pipeline.train model=bert strategy=lora $(ARGS)

lint: $(VENV)/.installed-dev  ## Linter, formatter and type checker.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## Let the formatter and the linter's safe fixes change the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: lint  ## Lint and run every test.
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

test-fast: $(VENV)/.installed-dev  ## The tests that take seconds.
	$(BIN)/python -m pytest -m "not slow" $(WORKERS) $(ARGS)

benchmark: $(VENV)/.installed-dev  ## Compare with HF Trainer and PEFT at the same settings (about an hour).
	$(BIN)/python -m benchmarks.quality $(ARGS)

benchmark-quick: $(VENV)/.installed-dev  ## Time whole runs against HF Trainer on little data (under 10 minutes).
	$(BIN)/python -m benchmarks.speed --cases lora,frozen --rows 400 --output outputs/speed_quick.json $(ARGS)

$(addprefix reproduce-,$(EXPERIMENTS)): reproduce-%: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.reproduce $*

clean:  ## Remove the virtual environment and tool caches; runs in outputs/ stay.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
