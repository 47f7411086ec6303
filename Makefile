# `make report` and `make test` need only Python (3.11 or later) and make; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
RECIPE := recipes/report.toml
RUN := runs/report

.PHONY: report test test-fast lint types tree kernels docs

report: .venv/installed
	$(BIN)/clipbias validate run $(RECIPE) --out $(RUN)
	$(BIN)/clipbias validate report $(RUN) --out $(RUN)/report.html

test: .venv/installed
	$(MAKE) --jobs 2 lint types kernels
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-fast: .venv/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m fast

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pymarkdown scan --recurse *.md docs recipes
	$(BIN)/python -m pytest --quiet tests/test_docs.py

# Compiled here once, while mypy runs beside it: pytest's two workers would each compile the same. For two outcomes, for
# any number.
SET_UP := --learning-rate 1 --group-size 8 --groups-per-minibatch 2 --minibatches 2 --success-prob 0.5 \
	--clip-low 0.2 --clip-high 0.2 --replicates 100 --json
kernels: .venv/installed
	$(BIN)/clipbias simulate run --probs 0.65,0.35 $(SET_UP) > /dev/null
	$(BIN)/clipbias simulate run --probs 0.5,0.3,0.2 $(SET_UP) > /dev/null

# The folders are subpackages of `clipbias` by pyproject's package-dir; what reads sources needs to see them under it.
tree:
	rm -rf build/types && mkdir -p build/types/clipbias
	for d in theory simulate validate; do ln -sfn ../../../$$d build/types/clipbias/$$d; done
	for d in clipbias/*; do ln -sfn ../../../$$d build/types/clipbias/; done

types: .venv/installed tree
	MYPYPATH=build/types $(BIN)/mypy --strict -m clipbias -p clipbias.audit -p clipbias.check -p clipbias.cli -p clipbias.common -p clipbias.explore -p clipbias.figures -p clipbias.forecast -p clipbias.monitor -p clipbias.plan -p clipbias.published \
		-p clipbias.theory -p clipbias.simulate \
		-p clipbias.validate

# The site, in build/site: opens from the folder, needs no network. Warnings are errors (mkdocs.yml), unless --quiet hides them.
docs: .venv/docs tree
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --clean

.venv/docs: .venv/installed
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[docs]'
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[validate,test]'
	touch $@
