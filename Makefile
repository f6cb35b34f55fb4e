# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# threads beside threads are slow: each process of ours uses one
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= passive
export TOKENIZERS_PARALLELISM := false
# tests change folder; what they cover is gathered here all the same
export COVERAGE_FILE := $(CURDIR)/.coverage

.PHONY: install demo test test-all check wheel emoji-world clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/equinoise demo --out runs/demo $(DEMO_ARGS)
	@echo "open runs/demo/report.html"

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# what is slow besides, the notebook and the quickstart at reduced size, and how much of the code the tests pass
test-all: install
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term --cov-fail-under=90

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m tools.structure --check

# the wheel builds, installs into a clean environment, runs, and every extra resolves under the constraints
wheel: install
	rm -rf dist && $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv dist/venv
	dist/venv/bin/python -m pip install --quiet --constraint constraints.txt dist/equinoise-*.whl
	dist/venv/bin/equinoise audit mixture --concept "a photo of a doctor" --axis gender -n 16
	dist/venv/bin/python -m pip install --quiet --dry-run --constraint constraints.txt "$$(echo dist/equinoise-*.whl)[faces,figures,dev]"
	rm -rf dist/venv

# the emoji model anew, from the drawings to the packaged weights: hours on two cores, resumes after a kill
WORK ?= $(HOME)/.cache/equinoise-world
emoji-world: install
	test -f $(WORK)/bank.safetensors || $(BIN)/python -m emoji_world.training.bank -n 64000 -o $(WORK)/bank.safetensors
	$(BIN)/python -m emoji_world.training.autoencoder --bank $(WORK)/bank.safetensors --work $(WORK)
	test -f $(WORK)/held-out.safetensors || $(BIN)/python -m emoji_world.training.bank -n 8000 --seed 1 --scenes held-out -o $(WORK)/held-out.safetensors
	$(BIN)/python -m emoji_world.training.clip --bank $(WORK)/bank.safetensors --held-out $(WORK)/held-out.safetensors --work $(WORK)
	$(BIN)/python -m emoji_world.training.objects --bank $(WORK)/bank.safetensors --work $(WORK)
	test -f $(WORK)/asked.safetensors || $(BIN)/python -m emoji_world.training.bank -n 28000 --seed 6 --scenes asked -o $(WORK)/asked.safetensors
	OMP_NUM_THREADS=2 $(BIN)/python -m emoji_world.training.denoiser --bank $(WORK)/bank.safetensors $(WORK)/asked.safetensors --work $(WORK)
	$(BIN)/python -m emoji_world.training.assemble --objects --work $(WORK)

clean:
	rm -rf $(VENV) runs dist
