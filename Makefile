# `make` alone lists what there is. Nothing needs installing first but git, make and Python 3.11 or newer.
.DEFAULT_GOAL := help
BIN := .venv/bin
PORT ?= 8000
export PYTHONDONTWRITEBYTECODE ?= 1

.PHONY: help run test quick check bench screenshots migration lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

run: ## start Loopwright with the demo company on http://127.0.0.1:8000 (PORT=8123 moves it)
	@sh tools/environment run
	@exec $(BIN)/python -m app.cli up --port $(PORT) --demo-when-empty

test: ## every test: unit and HTTP on SQLite and PostgreSQL, then the browser
	@sh tools/environment test
	@sh tools/needs chromium postgresql
	$(BIN)/pytest -q -n 2 --ignore=tests/browser --ignore=tests/faults --engine=both
	$(BIN)/pytest -q --engine=both tests/faults
	$(BIN)/pytest -q --engine=postgresql tests/browser -k 'story or board'
	$(BIN)/pytest -q --engine=sqlite tests/browser

quick: ## the tests without browser, PostgreSQL and killed processes: for every save
	@sh tools/environment test
	$(BIN)/pytest -q -n 2 --ignore=tests/browser --ignore=tests/faults --engine=sqlite

check: ## format, lint, types, imports, templates, migrations in step
	@sh tools/environment test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/python tools/migration check

bench: ## the benchmarks, as ratios in one run; writes bench/results.json
	@sh tools/environment test
	@sh tools/needs postgresql
	$(BIN)/python -m bench

screenshots: ## take the pictures of the README anew
	@sh tools/environment test
	@sh tools/needs chromium
	LOOPWRIGHT_SCREENSHOTS=1 $(BIN)/pytest -q tests/browser/test_demo_pages.py -k picture

migration: ## a new migration from the models: make migration m="Add the colour of a tag"
	@test -n "$(m)" || { echo 'Say what it does: make migration m="Add the colour of a tag"'; exit 2; }
	@sh tools/environment test
	@$(BIN)/python tools/migration new "$(m)"

lock: ## resolve the lock files again (needs uv)
	uv pip compile -q --generate-hashes --universal --no-annotate --no-emit-index-url --no-emit-find-links \
		--python-version 3.11 --custom-compile-command 'make lock' pyproject.toml --group build -o requirements.lock
	uv pip compile -q --generate-hashes --universal --no-annotate --no-emit-index-url --no-emit-find-links \
		--python-version 3.11 --custom-compile-command 'make lock' pyproject.toml --group build --group dev \
		-c requirements.lock -o requirements-dev.lock

clean: ## remove the environment and caches; keeps instance/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
