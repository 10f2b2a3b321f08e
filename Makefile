# make demo: a fresh machine to a finished page. Only python3 (3.11 or 3.12) and a network with PyPI are needed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
SNAKEFILES := Snakefile workflow/Snakefile workflow/rules

.DEFAULT_GOAL := help
.PHONY: help setup demo test debian fuzz check clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(VENV)/stamp ## make .venv with the package and everything it needs

# Both are made again only when pyproject.toml changes.
$(VENV)/stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/test-stamp: $(VENV)/stamp
	python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

demo: setup ## run the pipeline as params.yaml says, and record it
	snakemake --cores all
	oncorobust record
	@echo
	@oncorobust where
	@echo
	@echo "Next:  . $(VENV)/bin/activate, then"
	@echo "  oncorobust trace \"Table 1\" --row PGD:0.002 --column mnist    where a number comes from"
	@echo "  dvc exp run -S datasets.mnist.train.epochs=6                 try another value, then: dvc metrics diff"
	@echo "  oncorobust preset real                                       other data sets; see README.md for your own"

test: $(VENV)/test-stamp debian ## run every test
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# dciodvfy judges the DICOM files of the phantoms; where it cannot be had, that test says so and is skipped.
debian:
	@if ! command -v dciodvfy >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends dicom3tools; } >/dev/null 2>&1 \
		|| echo "dicom3tools cannot be installed: the test of the phantoms' DICOM will be skipped"; fi

fuzz: $(VENV)/test-stamp ## feed 20,000 damaged files to the readers
	python tests/fuzz_loaders.py --cases 20000 --seed 0

check: $(VENV)/test-stamp ## style, types and workflow, without running anything
	ruff check
	ruff format --check
	snakefmt --check --no-sort --line-length 120 $(SNAKEFILES)
	mypy
	snakemake --lint
	oncorobust check

clean: ## remove results, logs and runners' records; raw trees, .venv and DVC's cache stay
	rm -rf data/processed models reports logs .snakemake
