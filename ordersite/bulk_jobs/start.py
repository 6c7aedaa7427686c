"""Starts, stops and repeats bulk jobs. The caller has checked the right and writes the log of staff actions."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.bulk_jobs.models import AGAIN, BulkJob, BulkRow, RowResult
from ordersite.bulk_jobs.operations import STOPPED, Operation, Subject
from ordersite.database.locking import update_in_order
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private
from ordersite.queue import wakeups

TASK = "ordersite.run_bulk_jobs"
_A_STATEMENT = 1_000
_LONGEST_NAME = 64


def start(
    operation: Operation, subjects: Iterable[Subject], *, started_by: AbstractUser, reason: str = ""
) -> BulkJob:
    """Store a job with a row for each subject and wake the runner. Raises `DomainError` bulk_nothing, bulk_too_many."""
    chosen = list(islice(subjects, operation.most + 1))
    if not chosen:
        raise DomainError("bulk_nothing", _("Nothing is chosen."))
    if len(chosen) > operation.most:
        raise DomainError(
            "bulk_too_many", _("One job takes at most %(most)s rows: choose fewer."), most=operation.most
        )
    now = timezone.now()
    with transaction.atomic():
        job = BulkJob.objects.create(
            operation=operation.key, reason=reason, started_by_id=started_by.pk, total=len(chosen)
        )
        BulkRow.objects.bulk_create(
            (
                BulkRow(
                    job=job, position=position, subject_id=one.pk, name=one.name[:_LONGEST_NAME],
                    **({} if one.pk else {"result": RowResult.FAILED, "code": one.code, "done_at": now}),
                )
                for position, one in enumerate(chosen, start=1)
            ),
            batch_size=_A_STATEMENT,
        )  # fmt: skip
        transaction.on_commit(lambda: wakeups.wake(TASK))
    return job


def stop(job: BulkJob) -> int:
    """Stop a job: its rows that have not begun are marked as stopped; returns how many. Raises bulk_finished."""
    with transaction.atomic():
        if not BulkJob.objects.unfinished().filter(pk=job.pk).update(stopped_at=timezone.now()):
            raise DomainError("bulk_finished", _("The job is finished already."))
        waiting = BulkRow.objects.filter(job=job, done_at__isnull=True)
        stopped = update_in_order(waiting, result=RowResult.STOPPED, code=STOPPED, done_at=timezone.now())
        transaction.on_commit(lambda: wakeups.wake(TASK))
    return stopped


def run_again(job: BulkJob, *, started_by: AbstractUser) -> int:
    """Run the failed and stopped rows of a finished job again, in this person's name; returns how many.

    Raises `DomainError` bulk_running, bulk_nothing.
    """
    with transaction.atomic():
        locked = BulkJob.objects.select_for_update(no_key=True, of=("self",)).get(pk=job.pk)
        if not locked.is_finished:
            raise DomainError("bulk_running", _("The job is still running."))
        rows = BulkRow.objects.filter(Q(subject_id__isnull=False), job=job, result__in=AGAIN)
        again = update_in_order(
            rows, result="", code="", words="", last_error="", attempts=0, done_at=None, leased_until=None,
            due_at=timezone.now(),
        )  # fmt: skip
        if not again:
            raise DomainError("bulk_nothing", _("Nothing is chosen."))
        old_file = locked.file
        BulkJob.objects.filter(pk=job.pk).update(
            started_by_id=started_by.pk, stopped_at=None, finished_at=None, leased_until=None, finish_attempts=0,
            counts={}, file="", file_problem="",
        )  # fmt: skip
        transaction.on_commit(lambda: _leave(old_file))
    return again


def _leave(old_file: str) -> None:
    if old_file:
        private.remove(old_file)
    wakeups.wake(TASK)
