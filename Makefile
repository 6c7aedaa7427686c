# The commands of this project; README.md tells what they are for.
# `make run PORT=8001`, `make test ARGS="-x orders"`, `make bench ONLY=B1,B3` and the like work.

python := .venv/bin/python

.PHONY: run test long bench lint docs pins messages

run:  ## everything on this machine: web, worker, beat and the sandbox, with demonstration data
	@scripts/venv.sh requirements.txt
	@$(python) -m scripts.start

test:  ## the whole test suite, on PostgreSQL and on SQLite
	@scripts/venv.sh requirements-dev.txt
	@$(python) -m scripts.run_tests $(ARGS)

long:  ## the tests that take minutes
	@scripts/venv.sh requirements-dev.txt
	@$(python) -m scripts.run_tests --long $(ARGS)

bench:  ## the benchmarks, each beside its floor
	@scripts/venv.sh requirements-dev.txt
	@$(python) -m scripts.run_bench

lint:  ## style, types, missing migrations, missing translations
	@scripts/venv.sh requirements-dev.txt
	@$(python) -m scripts.lint

docs:  ## the site of the documentation, into var/docs; a broken link fails it
	@scripts/venv.sh requirements-dev.txt
	@$(python) -m sphinx -q -W --keep-going -b html -d var/docs-kept docs var/docs
	@echo var/docs/index.html

messages:  ## compile the translations
	@scripts/venv.sh requirements.txt
	@$(python) -m scripts.messages

pins:  ## requirements.in -> requirements.txt, the same for -dev
	@scripts/pin.sh
