"""A bulk job does each row once, keeps a result for each, and can be stopped, run again and taken over."""

from __future__ import annotations

import io
from collections import Counter
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from ordersite.bulk_jobs.models import BulkJob, BulkRow
from ordersite.bulk_jobs.operations import Subject
from ordersite.bulk_jobs.retention import FILES_FOR, JOBS_FOR, forget_old_jobs
from ordersite.bulk_jobs.run import counts_of, run_bulk_jobs
from ordersite.bulk_jobs.start import run_again, start, stop
from ordersite.bulk_jobs.tests.recorded import BROKEN, RECORDED, REFUSED, SKIPPED, TABLE, find
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private
from ordersite.queue import claims
from ordersite.queue.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> User:
    user = User.objects.create_user("agent", is_staff=True)
    user.groups.add(Group.objects.get(name="agent"))
    return user


def start_with(agent: User, *subjects: int) -> BulkJob:
    return start(RECORDED, [Subject(pk, str(pk)) for pk in subjects], started_by=agent)


def written() -> Counter[int]:
    """How often each row was done."""
    return Counter(AuditEntry.objects.filter(table_name="bulk_test").values_list("row_id", flat=True))


def results(job: BulkJob) -> list[tuple[str, str]]:
    return list(BulkRow.objects.filter(job=job).order_by("position").values_list("result", "code"))


def make_due(job: BulkJob) -> None:
    """End every lease and every pause, as time does."""
    BulkRow.objects.filter(job=job, done_at__isnull=True).update(leased_until=None, due_at=timezone.now())
    BulkJob.objects.filter(pk=job.pk).update(leased_until=None)


def test_each_row_is_done_once_with_its_own_result(agent: User) -> None:
    job = start_with(agent, 1, REFUSED, SKIPPED, 2)

    run_bulk_jobs(TABLE)
    run_bulk_jobs(TABLE)

    job.refresh_from_db()
    assert results(job) == [
        ("done", ""), ("failed", "refused_here"), ("skipped", "nothing_to_do"), ("done", ""),
    ]  # fmt: skip
    assert job.counts == {"done": 2, "failed": 1, "skipped": 1}
    assert written() == {1: 1, 2: 1, SKIPPED: 1}
    refused = BulkRow.objects.get(job=job, position=2)
    assert RECORDED.words_of(refused) == "This row is refused."


def test_a_fault_is_tried_again_and_then_its_result(agent: User) -> None:
    job = start_with(agent, BROKEN, 1)

    for _try in range(3):
        run_bulk_jobs(TABLE)
        make_due(job)
    run_bulk_jobs(TABLE)

    job.refresh_from_db()
    assert results(job) == [("failed", "fault"), ("done", "")]
    assert job.is_finished
    assert written() == {1: 1}


def test_numbers_that_are_not_found_fail_at_once(agent: User) -> None:
    job = start(RECORDED, find(["7", "x", "7", "8"]), started_by=agent)

    run_bulk_jobs(TABLE)

    assert results(job) == [("done", ""), ("failed", "not_found"), ("done", "")]


def test_the_right_is_checked_again_when_it_runs(agent: User) -> None:
    job = start_with(agent, 1)
    agent.groups.clear()

    run_bulk_jobs(TABLE)

    assert results(job) == [("failed", "not_permitted")]
    assert written() == {}


def test_who_has_left_does_nothing_more(agent: User) -> None:
    job = start_with(agent, 1)
    User.objects.filter(pk=agent.pk).update(is_active=False)

    run_bulk_jobs(TABLE)

    assert results(job) == [("failed", "not_permitted")]


def test_a_stopped_job_does_nothing_more_and_can_be_run_again(agent: User) -> None:
    job = start_with(agent, 1, 2)
    claims.claim(BulkRow, limit=1)

    assert stop(job) == 2
    run_bulk_jobs(TABLE)
    job.refresh_from_db()
    assert written() == {}
    assert job.counts == {"stopped": 2}

    assert run_again(job, started_by=agent) == 2
    run_bulk_jobs(TABLE)
    assert written() == {1: 1, 2: 1}


def test_only_the_failed_rows_are_run_again(agent: User) -> None:
    job = start(RECORDED, [Subject(1, "1"), Subject(REFUSED, "x"), Subject(None, "y")], started_by=agent)
    run_bulk_jobs(TABLE)
    other = User.objects.create_superuser("other")

    assert run_again(job, started_by=other) == 1
    run_bulk_jobs(TABLE)

    job.refresh_from_db()
    assert written() == {1: 1}
    assert job.started_by == other
    assert job.counts == {"done": 1, "failed": 2}


def test_a_running_job_is_not_run_again_and_a_finished_one_not_stopped(agent: User) -> None:
    job = start_with(agent, 1)

    with pytest.raises(DomainError, match="bulk_running"):
        run_again(job, started_by=agent)
    run_bulk_jobs(TABLE)
    with pytest.raises(DomainError, match="bulk_finished"):
        stop(job)


def test_what_a_process_had_claimed_is_taken_over_once(agent: User) -> None:
    job = start_with(agent, 1, 2, 3)
    claims.claim(BulkRow, limit=2)

    run_bulk_jobs(TABLE)
    assert written() == {3: 1}
    job.refresh_from_db()
    assert not job.is_finished

    make_due(job)
    run_bulk_jobs(TABLE)
    assert written() == {1: 1, 2: 1, 3: 1}
    assert counts_of(job) == {"done": 3}


def test_a_row_that_kills_its_process_each_time_fails(agent: User) -> None:
    job = start_with(agent, 1)
    BulkRow.objects.filter(job=job).update(attempts=3)

    run_bulk_jobs(TABLE)

    assert results(job) == [("failed", "died")]


def test_a_small_job_is_not_held_up_by_a_large_one(agent: User) -> None:
    start_with(agent, *range(1, 200))
    small = start_with(agent, 500)

    run_bulk_jobs(TABLE, seconds=0.001)

    assert results(small) == [("done", "")]


def test_an_unknown_operation_waits_for_a_version_that_knows_it(agent: User) -> None:
    job = start_with(agent, 1)

    assert run_bulk_jobs({}) == 0

    assert results(job) == [("", "")]


def test_too_many_rows_and_none_are_refused(agent: User) -> None:
    with pytest.raises(DomainError, match="bulk_nothing"):
        start_with(agent)
    with pytest.raises(DomainError, match="bulk_too_many"):
        start_with(agent, *range(1, RECORDED.most + 2))
    assert not BulkJob.objects.exists()


def test_a_file_goes_before_its_job(agent: User) -> None:
    job = start_with(agent, 1)
    run_bulk_jobs(TABLE)
    kept = private.save(io.BytesIO(b"%PDF-1.7\n"), limit=100, kinds=("pdf",))
    BulkJob.objects.filter(pk=job.pk).update(file=kept, finished_at=timezone.now() - FILES_FOR)

    assert forget_old_jobs() == 0

    assert BulkJob.objects.get(pk=job.pk).file == ""
    with pytest.raises(FileNotFoundError):
        private.open(kept)


def test_old_jobs_are_forgotten(agent: User) -> None:
    old, new = start_with(agent, 1), start_with(agent, 2)
    run_bulk_jobs(TABLE)
    assert FILES_FOR < JOBS_FOR
    BulkJob.objects.filter(pk=old.pk).update(finished_at=timezone.now() - JOBS_FOR - timedelta(hours=1))

    assert forget_old_jobs() == 1

    assert list(BulkJob.objects.all()) == [new]
    assert BulkRow.objects.count() == 1
