# make demo   installs what pre-training needs and pre-trains on demo scenes
# make test   installs the rest and runs the tests
# make test-fast   tests without detection, segmentation and command lines
# make test-original   those, the engine's and downstream runs, on the original
#                      line of OpenMMLab
# make transfer    installs what detection and segmentation need
# make operators   compiles mmcv's operators: all of them, where torchvision
#                  stands in for NMS and RoIAlign alone; needs a compiler
# make test-browser CHROMIUM=...   the page of `ccmim look` in that Chromium
# make docs   the site of the docs, in docs/_build/html
# make stress kills, full disks, hostile files: docs/reliability.md
# make lint   style and types
#
# The first Python from 3.11 on is taken; name another with PYTHON=...
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
	2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# Test files at a time; each takes a core and up to 3 GB.
TEST_JOBS ?= 2
PYTEST := -m pytest -n $(TEST_JOBS) --dist loadfile

ORIGINAL := .venv-original
PIP_ORIGINAL := $(ORIGINAL)/bin/python -m pip --disable-pip-version-check

.PHONY: demo test test-fast test-original test-browser transfer operators \
	docs stress lint clean
.DELETE_ON_ERROR:

demo: .venv/.pretrain
	$(BIN)/python tools/make_demo_data.py data/demo
	$(BIN)/python tools/train.py configs/ccmim_vit-tiny_demo.py \
		--work-dir work_dirs/demo --resume
	@echo 'The commands above need the environment: source .venv/bin/activate'

test: .venv/.test
	$(BIN)/python $(PYTEST)

test-fast: .venv/.test
	$(BIN)/python $(PYTEST) -m 'not slow'

test-original: $(ORIGINAL)/.test
	$(ORIGINAL)/bin/python $(PYTEST) -m 'not slow'
	$(ORIGINAL)/bin/python $(PYTEST) -m slow tests/test_engine \
		tests/test_transfer.py

transfer: .venv/.test

operators: .venv/.operators

test-browser: .venv/.test
	$(PIP) install playwright==1.65.2
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest tests/browser

docs: .venv/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

stress: .venv/.test
	$(BIN)/python tests/stress/run.py

lint: .venv/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv $(ORIGINAL)

# Nothing but `make operators` waits for a compiler.
.venv/.pretrain: requirements.txt pyproject.toml
	@test -n '$(PYTHON)' || { echo 'error: no Python 3.11 or 3.12 found:' \
		'name one with make PYTHON=...' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install -q -c requirements.txt torch torchvision
	$(PIP) install -q --no-deps -r requirements.txt
	$(PIP) install -q --no-deps --no-build-isolation -e .
	touch $@

.venv/.lint: .venv/.pretrain tests/requirements.txt
	$(PIP) install -q -c tests/requirements.txt ruff mypy
	touch $@

.venv/.test: .venv/.pretrain tests/requirements.txt
	$(PIP) install -q --no-deps -r tests/requirements.txt
	touch $@

.venv/.docs: .venv/.test docs/requirements.txt
	$(PIP) install -q -r docs/requirements.txt
	touch $@

.venv/.operators: .venv/.test
	@$(BIN)/python -c 'import torch, mmcv._ext' 2>/dev/null || { \
		echo "Compiling mmcv's operators: 10 to 20 minutes on two cores"; \
		MMCV_WITH_OPS=1 $(PIP) install -q --force-reinstall --no-deps \
			--no-build-isolation --no-binary onedl-mmcv --no-cache-dir \
			$$(grep '^onedl-mmcv==' requirements.txt); }
	$(BIN)/python -c 'import torch, mmcv._ext'
	touch $@

# The same but for the OpenMMLab packages, which share their import names.
$(ORIGINAL)/.test: requirements.txt tests/requirements.txt \
		tests/requirements-original.txt pyproject.toml
	test -x $(ORIGINAL)/bin/python || $(PYTHON) -m venv $(ORIGINAL)
	cat requirements.txt tests/requirements.txt | grep -v '^onedl-' \
		> $(ORIGINAL)/requirements.txt
	$(PIP_ORIGINAL) install -q -c requirements.txt torch torchvision
	$(PIP_ORIGINAL) install -q --no-deps -r $(ORIGINAL)/requirements.txt \
		-r tests/requirements-original.txt
	$(PIP_ORIGINAL) install -q --no-deps --no-build-isolation -e .
	touch $@
