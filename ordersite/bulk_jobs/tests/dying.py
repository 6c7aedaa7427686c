"""A process that runs bulk jobs until it is done or dies at a deadly row."""

from __future__ import annotations

import django

django.setup()

from ordersite.bulk_jobs.run import run_bulk_jobs  # noqa: E402
from ordersite.bulk_jobs.tests.recorded import TABLE  # noqa: E402

if __name__ == "__main__":
    run_bulk_jobs(TABLE, seconds=20)
