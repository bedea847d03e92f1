# Two commands for everyone: `make run` and `make test`. The others are for those who work on the project.
PYTHON := .venv/bin/python
.PHONY: run test setup check lint screens bench clean

run: setup            ## set everything up and run head office, kiosk and desk (SCRIPT=1: a scripted visit per vendor; VENDOR=FOLDER: one more; READER=serial)
	@$(PYTHON) -m kiosk demo $(if $(SCRIPT),--script) $(if $(READER),--reader $(READER)) $(foreach folder,$(VENDOR),--vendor $(folder))

test: setup lint      ## set everything up and pass every test
	@$(PYTHON) -m pytest

setup:                ## install what is missing: Debian packages, .venv, fonts, the sample vendors' libraries
	@scripts/setup

check: lint           ## lint, types, imports and the fast tests: under a minute
	@$(PYTHON) -m pytest -m "not slow" -n 2 --dist loadfile

lint:
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache > /dev/null || .venv/bin/lint-imports --no-cache

screens: setup        ## a picture of every screen in both languages: build/screens/index.html
	@$(PYTHON) -m kiosk.screens.gallery build/screens

bench: setup          ## speeds, each as a ratio to a limit measured in the same run
	@$(PYTHON) tests/bench/run.py

clean:                ## forget what was built
	rm -rf build .venv *.egg-info
