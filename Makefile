# Two commands for everyone: `make run` and `make test`. The others are for those who work on the project.
PYTHON := .venv/bin/python
.PHONY: run test setup check lint screens accidents bench kills clean

run: setup            ## set everything up and run head office, kiosk and desk (SCRIPT=1: a scripted visit per vendor; VENDOR=FOLDER: one more; READER=serial; ACCEPTOR=ssp, cctalk, id003)
	@$(PYTHON) -m kiosk demo $(if $(SCRIPT),--script) $(if $(READER),--reader $(READER)) $(if $(ACCEPTOR),--acceptor $(ACCEPTOR)) $(foreach folder,$(VENDOR),--vendor $(folder))

test: setup check     ## set everything up and pass every test
	@$(PYTHON) -m pytest -m slow

setup:                ## install what is missing: Debian packages, .venv, fonts, the sample vendors' libraries
	@scripts/setup

check: lint           ## lint, types, imports and the fast tests, on two cores: some minutes
	@$(PYTHON) -m pytest -m "not slow" -n 2 --dist loadfile

lint:
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache > /dev/null || .venv/bin/lint-imports --no-cache

screens: setup        ## a picture of every screen in both languages: build/screens/index.html
	@$(PYTHON) -m kiosk.screens.gallery build/screens

accidents: setup      ## plays every accident; what customer and attendant see: build/accidents/index.html
	@rm -rf build/accidents
	@$(PYTHON) -m pytest tests/accidents; status=$$?; $(PYTHON) tests/accidents/album.py build/accidents; exit $$status

bench: setup          ## speeds, each as a ratio to a limit measured in the same run
	@$(PYTHON) tests/bench/run.py

kills: setup          ## kill the real kiosk at random steps of real visits, KILLS=1000 times (SEED=1 JOBS=1); may be stopped and goes on
	@$(PYTHON) tests/e2e/kills.py --xvfb --kills $(or $(KILLS),1000) --seed $(or $(SEED),1) --jobs $(or $(JOBS),1)

clean:                ## forget what was built
	rm -rf build .venv *.egg-info
