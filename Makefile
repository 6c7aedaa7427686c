# The commands of this project; README.md tells what they are for.
# `make run PORT=8001`, `make test ARGS="-x orders"`, `make bench ONLY=B1,B3` and the like work.

python := .venv/bin/python

.PHONY: run test long bench lint pins messages

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

messages:  ## compile the translations
	@scripts/venv.sh requirements.txt
	@$(python) -m scripts.messages

pins:  ## requirements.in -> requirements.txt, the same for -dev
	@scripts/pin.sh
