# Two commands matter: `make book` builds the site, `make test` checks everything.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE :=

# One build at a time: the kernel releases this lock even when a build is killed, which
# Snakemake's own lock does not survive.
SNAKEMAKE = mkdir -p build && flock --nonblock --conflict-exit-code 75 build/.lock \
	snakemake --logger paperlab --rerun-triggers params input --rerun-incomplete --nolock \
	--keep-going --cores all

# Tests run on all cores: each takes a stretch of them, so that neighbours share what is costly (a
# compiled function, a page in the browser), and whoever is done takes over from the others.
PARALLEL = --numprocesses auto --dist worksteal

# Debian packages, where we may install them.
APT = if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends

.PHONY: help book test check times paper new serve lab bench execute accept lock clean lint unit chromium

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 18

book: $(VENV)/.book ## Execute every notebook that changed and build the site into build/site/
	@$(SNAKEMAKE) || { status=$$?; \
	  [ $$status -ne 75 ] || echo "Another build is running in this folder." >&2; \
	  echo "The book was not built; full logs are in build/logs/ and .snakemake/log/." >&2; exit $$status; }
	@echo "The book is at file://$(CURDIR)/build/site/index.html"

test: lint unit book chromium ## Run every check: lint, types, unit tests, notebooks, site, browser
	pytest $(PARALLEL) tests/notebooks tests/site

lint: $(VENV)/.test
	ruff check .
	ruff format --check .
	mypy

unit: $(VENV)/.test
	pytest $(PARALLEL) tests/library tests/build

paper: $(VENV)/.book ## Execute one notebook, P=<slug>, show its claims, rebuild; SEED=<n> tries other draws
	@test -n "$(P)" || { echo "Which paper? make paper P=<slug>" >&2; exit 2; }
ifdef SEED
	python -m bookbinder.execute $(P) --seed $(SEED)
	python -m bookbinder.record --show build/seeds/$(SEED)/$(P).ipynb
else
	$(SNAKEMAKE) build/executed/$(P).ipynb
	python -m bookbinder.record --show build/executed/$(P).ipynb
	$(MAKE) --no-print-directory book
endif

check: $(VENV)/.test ## Check one paper in seconds without running it, P=<slug>: lint, entry, sections, budget, loose ends
	@test -n "$(P)" || { echo "Which paper? make check P=<slug>" >&2; exit 2; }
	ruff check notebooks/*/$(P).ipynb
	ruff format --check notebooks/*/$(P).ipynb
	python -m bookbinder.check $(P)
	pytest -q tests/notebooks/test_anatomy.py -k "$(P) and not executed"

times: $(VENV)/.book ## Time, memory, words and lines of every paper, against the budget
	@python -m bookbinder.times

new: $(VENV)/.book ## Start a paper, P=<slug>: notebook and first claim; PART=<part> where it is not planned yet
	@test -n "$(P)" || { echo "Which paper? make new P=<slug>" >&2; exit 2; }
	python -m bookbinder.scaffold $(P) $(and $(PART),--part $(PART))

serve: $(VENV)/.book book ## Preview the site in a browser, rebuilt at every change
	python -m bookbinder.serve

lab: $(VENV)/.book ## Open the notebooks in JupyterLab
	jupyter lab notebooks

bench: $(VENV)/.test ## Compare the speed of the library with its peers
	for file in benchmarks/*.py; do \
	  name=$$(basename $$file .py); [ $$name = compare ] || python -m benchmarks.$$name; done

execute: $(VENV)/.book ## Execute notebooks only; SHARD=<i> SHARDS=<n> takes every n-th from the i-th
	$(SNAKEMAKE) execute_shard --config shard=$(or $(SHARD),0) shards=$(or $(SHARDS),1)

accept: $(VENV)/.book ## Accept over ten sealed draws: P=<slug>, or all papers whose record is out of date
	@python -m bookbinder.accept plan $(P)
	@$(SNAKEMAKE) accept --config papers="$(or $(P),all)"
	@git --no-pager diff --stat -- book/record

lock: $(VENV)/.test ## Pin the newest dependencies, one version for all supported Pythons
	pip install --quiet uv
	for set in test book reader; do \
	  case $$set in \
	    test) extras="--extra book --extra test --upgrade"; file=requirements-test.txt;; \
	    book) extras="--extra book -c requirements-test.txt"; file=requirements-book.txt;; \
	    reader) extras="-c requirements-test.txt"; file=requirements.txt;; \
	  esac; \
	  uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --no-strip-extras \
	    --generate-hashes --no-header --no-annotate $$extras -o $$file pyproject.toml; done

clean: ## Remove what was built (the environment stays)
	rm -rf build .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The browser of the site's tests. Without it they skip and say so, except in CI, where they fail.
chromium:
	@command -v chromium > /dev/null || { $(APT) chromium fonts-dejavu-core; fi; } \
	  || echo "Chromium could not be installed" >&2
	@command -v chromium > /dev/null || echo "Skipped: the browser tests, for want of Chromium"

# Environments: what the book needs, and on top of it what the tests need.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Paperlab needs Python 3.11 or newer; name one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || { $(APT) python3-venv; fi; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.book: requirements-book.txt pyproject.toml | $(VENV)/bin/python
	pip install --quiet --disable-pip-version-check --require-hashes -r requirements-book.txt
	pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.test: requirements-test.txt | $(VENV)/.book
	pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.txt
	touch $@
