# Every target sets up .venv by itself; any Python from 3.11 on will do: make PYTHON=python3.12 test
PYTHON ?= python3
RUN := .venv/bin/python
SWEEPS := spectrum budget capacity depth cs182

.PHONY: $(SWEEPS) test check clean

$(SWEEPS): .venv/installed
	$(RUN) -m fsm_icl.tune $@
	$(RUN) -m analysis $@

test: .venv/installed
	$(RUN) -m pytest -m "not gpu"

check: .venv/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports

# Results are not touched: they may be hours of work.
clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
