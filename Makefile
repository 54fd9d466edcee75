# The four words of this house: run, test, check, bench. Each does its own set-up; needs only Python 3.11+ and make.
.DEFAULT_GOAL := help
.PHONY: help run install dev test check format bench lock messages clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Compiled code is kept, whatever the machine's habit: tests and servers start many processes, each in half the time.
export PYTHONDONTWRITEBYTECODE :=
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python

help:  ## Say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1	\2/'

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Outreach needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv

$(VENV)/installed: $(BIN)/uv requirements.txt pyproject.toml
	$(UV) -r requirements.txt
	$(UV) --no-deps --editable .
	@touch $@

$(VENV)/developing: $(VENV)/installed requirements-dev.txt
	$(UV) -r requirements-dev.txt
	@touch $@

install: $(VENV)/installed  ## .venv with the product in it

dev: $(VENV)/developing

run: install  ## Everything on one machine with the demonstration; prints the URL and the log-in
	$(BIN)/outreach run --demonstration

test: dev  ## All tests; does its own set-up
	$(BIN)/pytest -n 2 --dist loadgroup

check: dev  ## Format, lint, types, import walls: what CI also runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet

format: dev  ## Put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: dev  ## The benchmarks, each beside its limit or peer in the same run
	$(BIN)/python -m benchmarks

lock: $(BIN)/uv  ## Write the pinned versions anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --no-header --no-emit-index-url pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --universal --no-header --no-emit-index-url --extra dev pyproject.toml --output-file requirements-dev.txt

MESSAGES := $(BIN)/python -m babel.messages.frontend -q

messages: dev  ## Collect the texts to translate and compile the catalogues
	@mkdir -p var
	$(MESSAGES) extract -F outreach/locale/babel.cfg -k gettext_lazy -k ngettext_lazy:1,2 -k pgettext_lazy:1c,2 \
		-k gettext_noop -k translate --no-location --omit-header -o var/messages.pot .
	$(MESSAGES) update -D django -i var/messages.pot -d outreach/locale -l bg \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date -w 110
	$(MESSAGES) compile -D django -d outreach/locale -l bg

clean:  ## Remove the environment and this machine's data
	rm -rf $(VENV) var
