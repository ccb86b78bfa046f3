# Needs Python 3.11 or newer and make; everything else goes into .venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help serve test check lint bench fmt lock

VENV := .venv
BIN := $(VENV)/bin
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
UV ?= uv

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-6s %s\n", $$1, $$2}' Makefile

serve: $(VENV)/.serve ## install what is needed, then serve on http://127.0.0.1:8025 (HOST=, PORT=)
	@exec $(BIN)/senderkit serve $(if $(HOST),--host "$(HOST)") $(if $(PORT),--port "$(PORT)")

test: $(VENV)/.dev ## all tests, on SQLite and on Postgres (ARGS='-k word' for some)
	@$(BIN)/python -m pytest -n logical --maxprocesses 8 $(ARGS)

check: lint test ## all that CI checks: lint, formatting, types, tests

lint: $(VENV)/.dev ## lint, formatting and types only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(VENV)/.dev ## measure against a bare Flask route, in ratios
	@$(BIN)/python -m tests.bench $(ARGS)

fmt: $(VENV)/.dev ## mend what ruff can mend, then format
	@$(BIN)/ruff check --fix . || true
	@$(BIN)/ruff format .

lock: ## write the pins anew from pyproject.toml; needs uv (ARGS=--upgrade for newer ones)
	@UV_CUSTOM_COMPILE_COMMAND='make lock' $(UV) pip compile --quiet --universal --strip-extras \
	  --all-extras --output-file constraints.txt $(ARGS) pyproject.toml
	@UV_CUSTOM_COMPILE_COMMAND='make lock' $(UV) pip compile --quiet --universal --no-annotate \
	  --extra postgres --extra aws --extra webpush --extra mjml --generate-hashes --constraints constraints.txt \
	  --output-file requirements.lock $(ARGS) pyproject.toml

# -- the environment ----------------------------------------------------------------------------
# A stamp is touched once its step has succeeded, so an interrupted one is done again. Old and new
# pip read the pins of the build tools from different variables.

install = PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=constraints.txt \
  PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --editable

$(VENV)/.serve: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing SenderKit into $(VENV), once; this takes a minute."
	@$(install) '.[postgres,aws,webpush,mjml]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing SenderKit and its test tools into $(VENV), once; this takes a minute or two."
	@$(install) '.[postgres,aws,webpush,mjml,dev]'
	@touch $(VENV)/.serve $@

# An environment holds absolute paths: one that was moved, or whose Python is gone, is made anew.
ifneq ($(shell test -x $(BIN)/python && cat $(VENV)/.made 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/.made
endif

$(VENV)/.made:
	@found=; bare=; \
	for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then found=$$python; break; fi; \
	  bare="$$bare $$python"; \
	done; \
	if [ -z "$$found" ] && [ -n "$$bare" ]; then \
	  echo "This Python cannot make virtual environments:$$bare." >&2; \
	  echo "On Debian or Ubuntu: apt install python3-venv. Then run make again." >&2; \
	  exit 1; \
	elif [ -z "$$found" ]; then \
	  echo "SenderKit needs Python 3.11 or newer. Tried: $(PYTHONS)." >&2; \
	  echo "Install one, or name it: make serve PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV) && printf '%s' "$(CURDIR)" >$@
