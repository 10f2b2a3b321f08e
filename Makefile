# `make demo` installs everything, runs the pipeline and writes the report page. It needs only python3 (3.11 or 3.12) and
# access to PyPI. requirements/ pins the versions and hashes of all packages; `make lock` updates them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
UV := 0.13.9
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Where the home folder cannot be written, as in some containers, caches go into the project.
export HOME := $(shell test -d "$$HOME" -a -w "$$HOME" && echo "$$HOME" || { mkdir -p .cache/home; echo "$(CURDIR)/.cache/home"; })
# DVC stores pickle files in this folder; its default is a folder that every user of the machine can write to.
export DVC_SITE_CACHE_DIR ?= $(HOME)/.cache/oncorobust/dvc
SNAKEFILES := Snakefile workflow/Snakefile workflow/rules src/oncorobust/pipeline/project/Snakefile

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-quick test-long test-statistics test-core test-torch test-conda test-slurm test-faults debian fuzz check docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(VENV)/stamp ## create .venv with the package and its dependencies

# uv installs on all cores, in half of pip's time. If it is not available, or does not reach the index in pip's settings
# (such as a hospital's mirror), pip installs the same packages.
PIP_OF := bin/python -m pip --quiet --disable-pip-version-check
PIP := python -m pip --quiet --disable-pip-version-check
install = uv pip install --quiet --python $(VENV)/bin/python --require-hashes --compile-bytecode --requirement $(1) 2>/dev/null \
	|| $(PIP) install --require-hashes --requirement $(1)

# Both are rebuilt only when pyproject.toml or the locked versions change.
$(VENV)/stamp: pyproject.toml requirements/run.lock
	@echo "Installing 3 GB into $(VENV). This takes one or two minutes, once."
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

# PyTorch has an environment of its own: with its libraries for GPUs it takes gigabytes that nothing else needs.
$(VENV)-torch/stamp: pyproject.toml requirements/torch.lock
	@echo "Installing PyTorch and 8 GB into $(VENV)-torch. This takes some minutes, once."
	$(PYTHON) -m venv $(VENV)-torch
	$(VENV)-torch/$(PIP_OF) install uv==$(UV) || true
	$(VENV)-torch/bin/uv pip install --quiet --python $(VENV)-torch/bin/python --require-hashes --requirement requirements/torch.lock 2>/dev/null \
		|| $(VENV)-torch/$(PIP_OF) install --require-hashes --requirement requirements/torch.lock
	$(VENV)-torch/$(PIP_OF) install --no-deps --no-build-isolation --editable .
	touch $@

# The versions are resolved once, for the tests; the other locks and the conda environments use the same versions.
LOCK := UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile --quiet --universal --no-strip-extras --generate-hashes \
	--python-version 3.11 pyproject.toml

RUN := --constraints requirements/test.lock --extra pipeline --extra tensorflow --extra demo
lock: $(VENV)/test-stamp ## update the pinned versions after a change of pyproject.toml
	$(LOCK) --extra test --output-file requirements/test.lock
	$(LOCK) --constraints requirements/test.lock --extra test --extra networks --output-file requirements/torch.lock
	$(LOCK) $(RUN) --output-file requirements/run.lock
	$(LOCK) $(RUN) --extra gpu --output-file requirements/gpu.lock
	$(LOCK) --constraints requirements/test.lock --extra docs --output-file requirements/docs.lock
	for pair in environment.yml:run environment.gpu.yml:gpu; do \
		{ sed '/- pip:/q' $${pair%:*}; sed -nE 's/^([a-z0-9][^\]*[^ \]) *\\$$/      - \1/p' requirements/$${pair#*:}.lock; } \
			> .environment.part && mv .environment.part $${pair%:*} || exit 1; done

demo: setup ## run the pipeline with params.yaml and record the results
	@echo "Preprocessing the data sets of params.yaml; training, attacking and hardening their models; ranking their images."
	@echo "To stop, press Ctrl-C. Progress is saved; rerun the same command to resume."
	snakemake --cores all --logger oncorobust
	oncorobust record
	@echo
	@oncorobust where
	@echo
	@echo "Open $(CURDIR)/reports/index.html"
	@echo
	@echo "Next:  . $(VENV)/bin/activate, then"
	@echo "  oncorobust trace \"Table 1\" --row PGD:0.002 --column mnist    trace a number to its sources"
	@echo "  dvc exp run -S datasets.mnist.train.epochs=6                 try another value, then: dvc metrics diff"
	@echo "  oncorobust preset real                                       use real images; for your own data see README.md"

test: $(VENV)/test-stamp debian ## run the tests
	python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-quick: $(VENV)/test-stamp ## run the tests that need no pipeline and no long training, in three minutes
	python -m pytest --numprocesses 2 --dist loadfile -m 'not slow and not cluster and not core and not long and not statistics'

test-long: $(VENV)/test-stamp debian ## run the tests that take minutes each, or are many alike
	python -m pytest --numprocesses 2 --dist loadfile -m long

# Without checks of types at run time, which make it five times slower.
test-statistics: $(VENV)/test-stamp ## simulate cohorts of patients and count how often intervals hold the truth
	python -m pytest --numprocesses 2 --override-ini addopts= -m statistics tests/test_statistics.py tests/test_guarantee.py tests/test_draw_intervals.py

test-core: $(VENV)/test-stamp ## install only the library and PyTorch, and attack a model
	python -m pytest -m core tests/test_core_install.py

# Some tests need dciodvfy, which checks the phantoms' DICOM files, a browser, and libfaketime, which sets a false clock.
# Without them these tests are skipped with a message. The tests on Slurm install it themselves, or are skipped.
DEBIAN := dicom3tools chromium libfaketime
debian:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! dpkg --status $(DEBIAN) >/dev/null 2>&1; then \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends $(DEBIAN); } >/dev/null 2>&1 \
		|| echo "Cannot install $(DEBIAN): the tests that need them will be skipped."; fi

TORCH_TESTS := tests/test_torch_*.py tests/test_onnx_*.py tests/test_named_networks.py tests/test_weight_files.py \
	tests/test_monai_bundles.py tests/test_export.py tests/torch_pipeline.py
test-torch: $(VENV)-torch/stamp ## test the networks of PyTorch, ONNX, timm and MONAI in an environment of their own
	KERAS_BACKEND=torch $(VENV)-torch/bin/python -m pytest --numprocesses 2 --dist loadfile $(TORCH_TESTS)

test-conda: $(VENV)/test-stamp ## run the demo in a clone, in conda environments
	python -m pytest tests/conda_demo.py

test-slurm: $(VENV)/test-stamp ## run the demo and failure tests on a Slurm cluster of three nodes
	python -m pytest -m 'cluster or not cluster' tests/test_slurm.py

test-faults: $(VENV)/test-stamp ## kill the demo at 50 random times, resume it, and compare every file
	PYTHONPATH=tests python tests/kill_campaign.py --kills 50 --seed 0

fuzz: $(VENV)/test-stamp ## read 20,000 damaged files with the readers
	python tests/fuzz_loaders.py --cases 20000 --seed 0

# Of benchmarks and maintenance, that the names they import exist and that functions take the arguments they give.
MYPY_CALLS := MYPYPATH=benchmarks:benchmarks/gpu:tests:maintenance mypy --follow-imports=silent --cache-dir=.mypy_cache/calls \
	$(addprefix --disable-error-code=,arg-type union-attr type-var misc abstract assignment)

check: $(VENV)/test-stamp ## check style, types and workflow, without running a test or a stage
	ruff check
	ruff format --check
	snakefmt --check --no-sort --line-length 120 $(SNAKEFILES)
	mypy
	$(MYPY_CALLS) benchmarks/*.py benchmarks/gpu/*.py maintenance/*.py
	lint-imports
	snakemake --lint
	oncorobust check
	python maintenance/check_dependencies.py --list

# A page that loads anything from another site is an error.
docs: $(VENV)/docs-stamp ## build the documentation into site/, offline, with warnings as errors
	python maintenance/write_reference.py
	zensical build --strict --clean
	@! grep -rlE '<(script|img|iframe)[^>]* src="?https?:|<link[^>]* href="?https?:' --include='*.html' site
	@echo "Open $(CURDIR)/site/index.html; the search needs a server: python -m http.server --directory site"

clean: ## remove results, logs and Snakemake's records; keep raw trees, .venv and DVC's cache
	rm -rf data/processed models reports logs .snakemake
