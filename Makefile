# uplift_ros on any Linux with Python 3.11 to 3.14, g++, make and git: `make demo`, `make test`.
# Everything goes into .venv, which is also the ament prefix, so that `.venv/bin/uplift` runs without sourcing anything.
# On a robot with a ROS distribution none of this is needed: README.md, "On a robot".

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$python -c '$(FITS)' 2>/dev/null && break; done; echo $$python)
SOURCE ?= synthetic
# Seconds of the demo: a camera never ends by itself; a video file runs to its end.
DURATION ?= $(shell test -f "$(SOURCE)" || echo 20)
PYTEST_ARGS ?=
# Test processes; 0 runs the tests in the main process.
WORKERS ?= 2
MINUTES ?= 5
CASES ?= 1000000
# For train-gpu: motion capture files for training and evaluation; the defaults suit one large GPU and 16 cores.
DATA ?=
TEST ?=
DEVICE ?= cuda
BATCH ?= 1024
SAMPLERS ?= 5
LENGTH ?= --minutes 8
# For `make bench-gpu`, which needs onnxruntime-gpu in place of onnxruntime: seconds per measurement.
SECONDS ?= 1

COMPILE = uv pip compile --quiet --no-deps --generate-hashes --no-annotate --no-header --universal --python-version 3.11

VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
# The names of stamp files contain a hash of their inputs: the requirements, or the files that the build compiles.
# Python, launch, config and weights files are symbolic links into the checkout: only their names are hashed.
INSTALLED := $(VENV)/.installed-$(shell cat requirements/lock-build.txt requirements/lock.txt | cksum | cut -d' ' -f1)
TESTABLE := $(VENV)/.testable-$(shell cat requirements/lock-test.txt requirements/test.txt | cksum | cut -d' ' -f1)
BUILT := $(VENV)/.built-$(shell { cat msg/* cmake/* CMakeLists.txt package.xml; \
	find uplift_ros config launch weights resource -type f ! -name '*.pyc' | LC_ALL=C sort; } | cksum | cut -d' ' -f1)

# The 2D estimator's networks are downloaded once per user and shared by all checkouts.
MODELS := $(VENV)/.models

# A ROS distribution that the shell has sourced must not mix with the wheels.
unexport PYTHONPATH PYTHONHOME CMAKE_PREFIX_PATH LD_LIBRARY_PATH COLCON_PREFIX_PATH RMW_IMPLEMENTATION
export AMENT_PREFIX_PATH := $(VENV)
# ROS traffic stays on this machine, and two simultaneous runs do not receive each other's messages.
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
export ROS_DOMAIN_ID := $(shell echo $$(($$PPID % 101 + 1)))
export FASTDDS_DEFAULT_PROFILES_FILE ?= $(CURDIR)/config/fastdds.xml

.PHONY: help demo test build reliability soak train-gpu bench bench-gpu matrix fuzz lint lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo '  SOURCE=synthetic | a video file | a webcam index     PYTHON=python3.12     PYTEST_ARGS="-k camera"'

demo: $(BUILT) $(MODELS) ## Run the graph on SOURCE; writes out/demo.mcap, out/demo.mp4, out/summary.json
	$(BIN)/uplift run --source "$(SOURCE)" $(if $(DURATION),--seconds $(DURATION)) --stride adaptive --out out

# The ROS wheels re-execute an interpreter without their library path; these variables prevent that for pytest.
test: $(BUILT) $(MODELS) $(TESTABLE) ## Run all tests
	_ROS_WHEELS_BOOTSTRAP_COMPLETE=1 \
	LD_LIBRARY_PATH=$$(echo $(VENV)/lib $(VENV)/lib/python3.*/site-packages/ros_*.libs | tr ' ' ':') \
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

reliability: $(BUILT) $(TESTABLE) ## Time the recovery from every fault; needs an idle machine; writes the table of docs/RELIABILITY.md
	$(MAKE) test WORKERS=0 PYTEST_ARGS="-m '' --junitxml=out/reliability.xml test/ros -k faults"
	PYTHONPATH=test $(BIN)/python -m support.reliability out/reliability.xml

soak: $(BUILT) $(MODELS) $(TESTABLE) ## Run the graph for MINUTES with random people and faults; writes out/soak.json
	OMP_NUM_THREADS=1 PYTHONPATH=test $(BIN)/python -m soak --minutes $(MINUTES) --json out/soak.json

build: $(BUILT) $(MODELS) ## Create .venv with all requirements, and build messages and nodes

train-gpu: $(BUILT) $(TESTABLE) ## Train compact, n81 and n351 at once on a GPU; needs DATA and TEST; leaves weights and tables in out/gpu
	test -n "$(DATA)" && test -n "$(TEST)" || { echo "name motion capture files: DATA=... TEST=..." >&2; exit 1; }
	for variant in compact n81 n351; do OMP_NUM_THREADS=1 $(BIN)/uplift train uplift --data $(DATA) --variant $$variant \
		--scores --device $(DEVICE) --batch $(BATCH) --workers $(SAMPLERS) --bfloat16 --learning-rate 1e-3 \
		$(LENGTH) --out out/gpu & trainings="$$trainings $$!"; done; \
		for training in $$trainings; do wait $$training || exit 1; done
	for variant in compact n81 n351; do $(BIN)/uplift evaluate --data $(TEST) --model out/gpu/$$variant.safetensors \
		--stride 10 20 --noise detector --cameras 1 --json out/gpu/$$variant.json; done

bench: $(BUILT) $(MODELS) $(TESTABLE) ## Measure the speed of every part; writes out/bench.json
	$(BIN)/uplift bench --json out/bench.json

bench-gpu: $(BUILT) $(TESTABLE) ## Measure the networks on DEVICE (cuda), under 4 minutes; writes out/bench_gpu*.json
	$(BIN)/uplift bench --networks --device $(DEVICE) --seconds $(SECONDS) --json out/bench_gpu.json
	$(BIN)/uplift bench --table4 --device $(subst tensorrt,cuda,$(DEVICE)) --seconds $(SECONDS) --json out/bench_gpu_table4.json

matrix: ## Install and test afresh on every Python from 3.10 to 3.14 that is installed, also with the lowest requirements
	PYTHONPATH=test $(PYTHON) -m support.matrix

fuzz: $(BUILT) $(TESTABLE) ## Feed a million malformed inputs to every reader; writes out/fuzz.json
	OMP_NUM_THREADS=1 PYTHONPATH=test $(BIN)/python -m fuzz.run --cases $(CASES) --json out/fuzz.json

lint: $(TESTABLE) ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

lock: ## Pin all hashes again; needs uv (from PyPI)
	$(COMPILE) requirements.txt requirements/constraints.txt requirements/no-deps.txt -o requirements/lock.txt
	$(COMPILE) --no-emit-package torch requirements/test.txt -o requirements/lock-test.txt
	grep '^setuptools==' requirements.txt | $(COMPILE) - -o requirements/lock-build.txt

clean: ## Remove everything that make has built
	rm -rf .venv build out .mypy_cache .pytest_cache .ruff_cache

$(INSTALLED):
	@$(PYTHON) -c '$(FITS)' 2>/dev/null || { echo "uplift_ros needs Python 3.11 to 3.14, not" \
		"$$($(PYTHON) --version 2>&1) ($(PYTHON)); name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo \
		"$(PYTHON) comes without venv: install it, on Debian and Ubuntu the package python3-venv" >&2; exit 1; }
	@for tool in gcc g++; do command -v $$tool >/dev/null || { echo \
		"$$tool is missing: install it, on Debian and Ubuntu the package build-essential" >&2; exit 1; }; done
	@test -f "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" || { echo \
		"$(PYTHON) comes without Python.h: install it, on Debian and Ubuntu the package python3-dev" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --require-hashes -r requirements/lock-build.txt
	$(BIN)/pip install --require-hashes --no-deps --no-build-isolation -r requirements/lock.txt
	@rm -f $(VENV)/.installed-* && touch $@

$(TESTABLE): $(INSTALLED)
	$(BIN)/pip install --require-hashes --no-deps -r requirements/lock-test.txt
	$(BIN)/pip install -r requirements/test.txt  # only torch is missing; its files differ between indexes
	@rm -f $(VENV)/.testable-* && touch $@

$(BUILT): $(INSTALLED)
	@echo "building messages and nodes into .venv (log: build/build.log)" && mkdir -p build
	@PATH=$(BIN):$$PATH CMAKE_PREFIX_PATH=$(VENV) CMAKE_BUILD_PARALLEL_LEVEL=2 MAKEFLAGS=-j2 \
	colcon --log-base build/log build --paths . --merge-install --install-base $(VENV) --symlink-install \
		--executor sequential --cmake-args -DPython3_EXECUTABLE=$(BIN)/python \
		> build/build.log 2>&1 || { tail -n 40 build/build.log >&2; exit 1; }
	@find $(VENV)/lib/python3.*/site-packages/uplift_ros $(VENV)/share/uplift_ros -xtype l -delete  # of removed files
	@rm -f $(VENV)/.built-* && touch $@

$(MODELS): | $(BUILT)
	$(BIN)/uplift models && touch $@
