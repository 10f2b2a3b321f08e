# make demo: a fresh machine to a finished page. Only python3 (3.11 or 3.12) and a network with PyPI are needed.
# Versions and hashes of everything that is installed stand in requirements/, `make lock` writes them anew.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
UV := 0.13.9
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# DVC keeps pickles there; its default is a folder that everyone on the machine can write to.
export DVC_SITE_CACHE_DIR ?= $(HOME)/.cache/oncorobust/dvc
SNAKEFILES := Snakefile workflow/Snakefile workflow/rules

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-quick test-core test-conda test-slurm test-faults debian fuzz check docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(VENV)/stamp ## make .venv with the package and everything it needs

# uv unpacks on all cores, in half of pip's time. Where it cannot be had, or does not reach the index that pip has in its
# own settings (a hospital's mirror), pip does the same.
PIP := python -m pip --quiet --disable-pip-version-check
install = uv pip install --quiet --python $(VENV)/bin/python --require-hashes --compile-bytecode --requirement $(1) 2>/dev/null \
	|| $(PIP) install --require-hashes --requirement $(1)

# Both are made again only when the package's own settings or the locked versions change.
$(VENV)/stamp: pyproject.toml requirements/run.lock
	@echo "Installing into $(VENV): 3 GB, a minute or two, once"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install uv==$(UV) || true
	$(call install,requirements/run.lock)
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/test-stamp: $(VENV)/stamp requirements/test.lock
	$(call install,requirements/test.lock)
	touch $@

$(VENV)/docs-stamp: $(VENV)/stamp requirements/docs.lock
	$(call install,requirements/docs.lock)
	touch $@

# One resolution, the tests', from which the others are cut; the environments repeat what it found.
LOCK := UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile --quiet --universal --no-strip-extras --generate-hashes \
	--python-version 3.11 pyproject.toml

RUN := --constraints requirements/test.lock --extra pipeline --extra tensorflow --extra demo
lock: $(VENV)/test-stamp ## pin every package again, after an edit of pyproject.toml
	$(LOCK) --extra test --output-file requirements/test.lock
	$(LOCK) $(RUN) --output-file requirements/run.lock
	$(LOCK) $(RUN) --extra gpu --output-file requirements/gpu.lock
	$(LOCK) --constraints requirements/test.lock --extra docs --output-file requirements/docs.lock
	for pair in environment.yml:run environment.gpu.yml:gpu; do \
		{ sed '/- pip:/q' $${pair%:*}; sed -nE 's/^([a-z0-9][^\]*[^ \]) *\\$$/      - \1/p' requirements/$${pair#*:}.lock; } \
			> .environment.part && mv .environment.part $${pair%:*} || exit 1; done

demo: setup ## run the pipeline as params.yaml says, and record it
	@echo "Crops, trains, attacks, hardens and ranks the data sets of params.yaml. A line says what is done and what is left;"
	@echo "stop at any time (Ctrl-C): the same command goes on from there."
	snakemake --cores all --logger oncorobust
	oncorobust record
	@echo
	@oncorobust where
	@echo
	@echo "Open $(CURDIR)/reports/index.html"
	@echo
	@echo "Next:  . $(VENV)/bin/activate, then"
	@echo "  oncorobust trace \"Table 1\" --row PGD:0.002 --column mnist    where a number comes from"
	@echo "  dvc exp run -S datasets.mnist.train.epochs=6                 try another value, then: dvc metrics diff"
	@echo "  oncorobust preset real                                       other data sets; see README.md for your own"

test: $(VENV)/test-stamp debian ## run every test
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-quick: $(VENV)/test-stamp ## run the tests that need no pipeline and no long training, in three minutes
	python -m pytest --numprocesses 2 --dist loadfile -m 'not slow and not cluster and not core'

test-core: $(VENV)/test-stamp ## install the library alone beside PyTorch, and attack a model with it
	python -m pytest -m core tests/test_core_install.py

# What some tests ask of the machine: dciodvfy, which judges the phantoms' DICOM, a browser, and a clock that lies. Where it
# cannot be had, those tests say so and are skipped; so are those on Slurm, which install that themselves.
DEBIAN := dicom3tools chromium libfaketime
debian:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! dpkg --status $(DEBIAN) >/dev/null 2>&1; then \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends $(DEBIAN); } >/dev/null 2>&1 \
		|| echo "$(DEBIAN) cannot be installed: the tests that need them will be skipped"; fi

test-conda: $(VENV)/test-stamp ## run the demo in a clone, in environments made by conda
	python -m pytest tests/conda_demo.py

test-slurm: $(VENV)/test-stamp ## run the demo and more on a Slurm of three nodes, while nodes and jobs fail
	python -m pytest -m 'cluster or not cluster' tests/test_slurm.py

test-faults: $(VENV)/test-stamp ## kill the demo at 50 random moments and compare every file
	PYTHONPATH=tests python tests/kill_campaign.py --kills 50 --seed 0

fuzz: $(VENV)/test-stamp ## feed 20,000 damaged files to the readers
	python tests/fuzz_loaders.py --cases 20000 --seed 0

check: $(VENV)/test-stamp ## style, types and workflow, without running anything
	ruff check
	ruff format --check
	snakefmt --check --no-sort --line-length 120 $(SNAKEFILES)
	mypy
	lint-imports
	snakemake --lint
	oncorobust check
	python maintenance/check_dependencies.py --list

# Whatever a page would fetch from elsewhere when it is viewed is an error.
docs: $(VENV)/docs-stamp ## build the documentation into site/, offline, with warnings as errors
	python maintenance/write_reference.py
	zensical build --strict --clean
	@! grep -rlE '<(script|img|iframe)[^>]* src="?https?:|<link[^>]* href="?https?:' --include='*.html' site
	@echo "Open $(CURDIR)/site/index.html; the search needs a server: python -m http.server --directory site"

clean: ## remove results, logs and runners' records; raw trees, .venv and DVC's cache stay
	rm -rf data/processed models reports logs .snakemake
