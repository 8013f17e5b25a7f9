# Two commands, each doing its own set-up: `make compare` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: compare test lint docs benchmark clean

compare: $(VENV)/run.stamp
	$(BIN)/torchstone compare --html report.html

test: $(VENV)/dev.stamp lint
	$(BIN)/pytest -n 2

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/build.py

benchmark: $(VENV)/dev.stamp
	$(BIN)/python -m pip install --quiet torch-judge==0.1.1
	$(BIN)/python benchmarks/detection.py --write docs/detection.md

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	touch $@

clean:
	rm -rf $(VENV) report.html .mypy_cache .ruff_cache .pytest_cache
