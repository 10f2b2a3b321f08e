# make demo: a fresh machine to a finished page. Only python3 (3.11 or 3.12) and a network with PyPI are needed.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
SNAKEFILES := Snakefile workflow/Snakefile workflow/rules

.DEFAULT_GOAL := help
.PHONY: help setup demo test check clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(VENV)/stamp ## make .venv with the package and everything it needs

# Made again only when pyproject.toml changes.
$(VENV)/stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
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

test: setup ## run every test
	python -m pytest --numprocesses 2 --dist loadfile

check: setup ## style, types and workflow, without running anything
	ruff check
	ruff format --check
	snakefmt --check --no-sort --line-length 120 $(SNAKEFILES)
	mypy
	snakemake --lint
	oncorobust check

clean: ## remove results, logs and runners' records; raw trees, .venv and DVC's cache stay
	rm -rf data/processed models reports logs .snakemake
