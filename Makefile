# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# threads beside threads are slow: each process of ours uses one
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= passive
export TOKENIZERS_PARALLELISM := false

.PHONY: install demo test check clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/equinoise demo --out runs/demo $(DEMO_ARGS)
	@echo "open runs/demo/report.html"

test: install
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term --cov-fail-under=90

check: install
	$(BIN)/ruff check
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs
