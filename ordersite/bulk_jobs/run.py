"""Runs bulk jobs by the clock: rows are claimed in small batches of each job in turn, and done one by one.

A row's work and its result are one transaction, under the row's lock, so that a killed process has either done a row or
not. What it had claimed is claimed again once the lease is over, and then alone, so that a row that kills its process
stops no other.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Count, F, Q
from django.utils import timezone, translation

from ordersite.bulk_jobs.models import BulkJob, BulkRow, RowResult
from ordersite.bulk_jobs.operations import DIED, FAULT, NOT_PERMITTED, Operation, Operations, RowTask
from ordersite.database.locking import update_in_order
from ordersite.database.one_writer import SQLITE_PAUSE_SECONDS
from ordersite.lib.errors import DomainError
from ordersite.lib.files import private
from ordersite.queue import claims
from ordersite.queue.claims import Claim

SECONDS_A_RUN = 10.0
BATCH = 20
MOST_ATTEMPTS = 3
# Longer than a file of the largest job takes.
FINISH_LEASE = timedelta(minutes=3)
_FRESH, _SUSPECT = Q(attempts=0), Q(attempts__gt=0)

logger = logging.getLogger(__name__)


def run_bulk_jobs(table: Operations, *, seconds: float = SECONDS_A_RUN) -> int:
    """Work on unfinished jobs of these operations for at most about `seconds`; returns how many rows were tried."""
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        jobs = BulkJob.objects.unfinished().filter(operation__in=table).order_by("pk")
        counts = [_work_on(job, table[job.operation]) for job in jobs]
        if not any(counts):
            break
        tried += sum(counts)
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)
    return tried


def _work_on(job: BulkJob, operation: Operation) -> int:
    """Do a batch of a job's rows, or finish it where none is left; returns how many rows were tried."""
    of_job = Q(job_id=job.pk)
    batch = claims.claim(BulkRow, limit=BATCH, only=of_job & _FRESH)
    batch = batch or claims.claim(BulkRow, limit=1, only=of_job & _SUSPECT)
    if not batch:
        if not BulkRow.objects.filter(job=job, done_at__isnull=True).exists():
            _finish(job, operation)
        return 0
    person = User.objects.filter(pk=job.started_by_id).first()
    if person is None or not operation.may_start(person):
        for claimed in batch:
            _record(claimed, RowResult.FAILED, NOT_PERMITTED)
        return len(batch)
    with translation.override(settings.LANGUAGE_CODE):
        for claimed in batch:
            _do(claimed, operation, username=person.get_username(), reason=job.reason)
    return len(batch)


def _do(claimed: Claim, operation: Operation, *, username: str, reason: str) -> None:
    """Do one claimed row and record what became of it."""
    if claimed.attempts > MOST_ATTEMPTS:
        _record(claimed, RowResult.FAILED, DIED)
        return
    try:
        subject_id = BulkRow.objects.values_list("subject_id", flat=True).get(pk=claimed.id)
        task = RowTask(subject_id or 0, username, reason)
        if operation.before:
            operation.before(task)
        with transaction.atomic():
            if _lock(claimed):
                outcome = operation.run(task)
                _write(claimed, outcome.result, outcome.code)
    except DomainError as refused:
        _record(claimed, RowResult.FAILED, refused.code, refused.message)
    except Exception as error:  # the edge: the row is tried again, then the error is its result
        logger.warning("row of a bulk job failed", exc_info=error, extra={"row": claimed.id})
        if claimed.attempts < MOST_ATTEMPTS:
            claims.postpone(BulkRow, claimed, error)
        else:
            _record(claimed, RowResult.FAILED, FAULT)


def _lock(claimed: Claim) -> BulkRow | None:
    """The row, locked, unless it was done, stopped or taken over meanwhile."""
    rows = BulkRow.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(pk=claimed.id, attempts=claimed.attempts, done_at__isnull=True).first()


def _record(claimed: Claim, result: RowResult, code: str, words: str = "") -> None:
    with transaction.atomic():
        if _lock(claimed):
            _write(claimed, result, code, words)


def _write(claimed: Claim, result: RowResult, code: str, words: str = "") -> None:
    BulkRow.objects.filter(pk=claimed.id).update(
        result=result, code=code[:40], words=words[:300], done_at=timezone.now(), leased_until=None
    )


def fail_done_row(row: BulkRow, error: DomainError) -> None:
    """Turn the result of a row that was done into a failure, for a `finish` that could not use it."""
    BulkRow.objects.filter(pk=row.pk, result=RowResult.DONE).update(
        result=RowResult.FAILED, code=error.code[:40], words=error.message[:300]
    )


def counts_of(job: BulkJob) -> dict[str, int]:
    """The rows of a job by result; those that still wait are under the empty word."""
    if job.is_finished:
        return dict(job.counts)
    rows = BulkRow.objects.filter(job=job).order_by().values_list("result")
    return dict(rows.annotate(number=Count("pk")))


def _finish(job: BulkJob, operation: Operation) -> None:
    """Make the job's file, if it makes one, and mark it as finished; one process does it."""
    now = timezone.now()
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    with transaction.atomic():
        unfinished = BulkJob.objects.unfinished().filter(is_free, pk=job.pk)
        if not update_in_order(
            unfinished, leased_until=now + FINISH_LEASE, finish_attempts=F("finish_attempts") + 1
        ):
            return
    job.refresh_from_db()
    file, problem = _file_of(job, operation)
    own = BulkJob.objects.unfinished().filter(pk=job.pk, finish_attempts=job.finish_attempts)
    finished = own.update(
        file=file, file_problem=problem, finished_at=timezone.now(), counts=counts_of(job), leased_until=None
    )
    if file and not finished:
        private.remove(file)


def _file_of(job: BulkJob, operation: Operation) -> tuple[str, str]:
    """The stored name of the file, and the code of why there is none."""
    is_wanted = operation.finish and not job.stopped_at
    if not is_wanted or not BulkRow.objects.filter(job=job, result=RowResult.DONE).exists():
        return "", ""
    if job.finish_attempts > MOST_ATTEMPTS:
        return "", DIED
    try:
        with translation.override(settings.LANGUAGE_CODE):
            return operation.finish(job) if operation.finish else "", ""
    except DomainError as refused:
        return "", refused.code
    except Exception:  # the edge: the rows keep their results
        logger.exception("file of a bulk job not made", extra={"job": job.pk})
        return "", FAULT
