# `make report` and `make test` need only Python (3.11 or later) and make; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
RECIPE := recipes/organism.toml
RUN := runs/organism

.PHONY: report test test-fast lint types

report: .venv/installed
	$(BIN)/clipbias validate run $(RECIPE) --out $(RUN)
	$(BIN)/clipbias validate report $(RUN) --out $(RUN)/report.html

test: lint types
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-fast: .venv/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m fast

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pymarkdown scan --recurse *.md docs recipes
	$(BIN)/python -m pytest --quiet tests/test_docs.py

# The folders are subpackages of `clipbias` by pyproject's package-dir; mypy needs to see them under that name.
types: .venv/installed
	rm -rf build/types && mkdir -p build/types/clipbias
	for d in theory simulate validate; do ln -sfn ../../../$$d build/types/clipbias/$$d; done
	for d in clipbias/*; do ln -sfn ../../../$$d build/types/clipbias/; done
	MYPYPATH=build/types $(BIN)/mypy --strict -m clipbias -p clipbias.audit -p clipbias.check -p clipbias.cli -p clipbias.common -p clipbias.figures -p clipbias.forecast -p clipbias.monitor -p clipbias.plan -p clipbias.published \
		-p clipbias.theory -p clipbias.simulate \
		-p clipbias.validate

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[validate,test]'
	touch $@
