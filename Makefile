# Two commands do all the set-up: `make demo` and `make test`. Needs make and a Python >= 3.11, < 3.14;
# brings uv itself when the machine has none, from the package index and nowhere else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test soak check format docs bench clean

ARGS ?=
# Tests wait for servers and clocks half of their time.
WORKERS ?= 3
BIN := .venv/bin
TOOLS := .venv-tools
LOCK := pyproject.toml uv.lock

export UV_PROJECT_ENVIRONMENT := .venv
# A Python that is already here; downloading one would reach beyond the package index.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON_PREFERENCE := only-system
unexport VIRTUAL_ENV

# The first uv that really answers: a version manager's shim may exist and still say "not found".
FIND_UV = for uv in uv "$$HOME/.local/bin/uv" "$$HOME/.cargo/bin/uv" $(TOOLS)/bin/uv; do \
	"$$uv" --version >/dev/null 2>&1 && { command -v "$$uv"; break; }; done

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: .venv/.runtime  ## a day of sales from signed webhook to ledger and back, all on this machine
	$(BIN)/conductor demo $(ARGS)

test: .venv/.dev  ## every test this machine can run; one file only: make test ARGS=tests/tidy
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

soak: .venv/.dev  ## the runs of minutes to hours; one only: make soak ARGS=tests/soak/test_months.py
	$(BIN)/pytest -m soak --timeout 0 -x -s $(if $(filter tests/%,$(ARGS)),,tests/soak tests/crash) $(ARGS)

check: .venv/.dev  ## format, lint, types and import floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev  ## let ruff write the format and the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.dev  ## write the generated reference pages anew
	$(BIN)/python docs/generate.py

bench: .venv/.bench  ## every benchmark, one after the other, 8 minutes at most; one only: make bench ARGS=intake
	@set -- bench/bench_*$(ARGS)*.py; test -e "$$1" || { echo "no bench/bench_*$(ARGS)*.py"; exit 1; }; \
	began=$$(date +%s); missed=; \
	for file in "$$@"; do echo "== $$file"; $(BIN)/python "$$file" || missed="$$missed $$file"; done; \
	$(BIN)/python bench/readme.py; echo "took $$(($$(date +%s) - began)) s"; \
	test -z "$$missed" || { echo "goals missed in:$$missed"; exit 1; }

clean:  ## forget the environments and caches; lakes and state stay
	rm -rf .venv $(TOOLS) .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# --inexact: asking for less never removes what another target installed.
.venv/.runtime: $(LOCK) | uv
	@"$$($(FIND_UV))" sync --locked --inexact --no-dev --compile-bytecode
	@touch $@

.venv/.dev: $(LOCK) | uv
	@"$$($(FIND_UV))" sync --locked --inexact --compile-bytecode --extra demo-real
	@touch $@ .venv/.runtime

.venv/.bench: $(LOCK) | uv
	@"$$($(FIND_UV))" sync --locked --inexact --extra demo-real --group bench
	@touch $@ .venv/.dev .venv/.runtime

.PHONY: uv
uv:
	@test -n "$$($(FIND_UV))" || $(MAKE) --no-print-directory $(TOOLS)/bin/uv

$(TOOLS)/bin/uv:
	@echo "uv is not here: installing it into $(TOOLS)"
	@python3 -m venv $(TOOLS) || { rm -rf $(TOOLS); \
		echo "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; \
		exit 1; }
	@printf '*\n' > $(TOOLS)/.gitignore
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv
