"""Runs one benchmark in a process of its own: `python -m benchmarks.harness.child MODULE OUTPUT FOLDER RUNS`."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

import django

from benchmarks.harness.base import Context


def main(arguments: list[str]) -> None:
    """Run the named module and write its results as JSON."""
    name, output, folder, runs = arguments
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ordersite.settings")
    django.setup()
    module = importlib.import_module(f"benchmarks.{name}")
    context = Context(database_url=os.environ["DATABASE_URL"], folder=Path(folder), runs=int(runs))
    results = [dataclasses.asdict(result) for result in module.run(context)]
    Path(output).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
