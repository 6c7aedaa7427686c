"""Kill the process in the middle of a job, again and again: every row is done once, and the deadly one is named."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from orders.tests.web import environment
from ordersite.bulk_jobs.models import BulkJob, BulkRow
from ordersite.bulk_jobs.operations import Subject
from ordersite.bulk_jobs.start import start
from ordersite.bulk_jobs.tests.recorded import DEADLY, RECORDED
from ordersite.bulk_jobs.tests.test_run import make_due, written

pytestmark = [pytest.mark.kill, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


def run_process() -> int:
    command = [sys.executable, "-m", "ordersite.bulk_jobs.tests.dying"]
    return subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment(), timeout=60, check=False
    ).returncode


def test_a_killed_process_loses_and_repeats_nothing() -> None:
    chief = User.objects.create_superuser("chief")
    numbers = [*range(1, 31), DEADLY, *range(31, 61)]
    job = start(RECORDED, [Subject(number, str(number)) for number in numbers], started_by=chief)
    deaths = 0

    while not BulkJob.objects.get(pk=job.pk).is_finished:
        ended = run_process()
        assert ended in (0, -signal.SIGKILL)
        deaths += ended != 0
        make_due(job)

    assert deaths == 3
    assert written() == dict.fromkeys(range(1, 61), 1)
    row = BulkRow.objects.get(job=job, subject_id=DEADLY)
    assert (row.result, row.code) == ("failed", "died")
    assert BulkJob.objects.get(pk=job.pk).counts == {"done": 60, "failed": 1}
