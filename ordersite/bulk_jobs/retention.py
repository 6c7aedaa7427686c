"""Forgets finished jobs: their files after a week, for labels hold addresses, and all else after thirty days."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from ordersite.bulk_jobs.models import BulkJob, BulkJobQuerySet, BulkRow
from ordersite.database.retention import delete_in_batches
from ordersite.lib.files import private

FILES_FOR, JOBS_FOR = timedelta(days=7), timedelta(days=30)
_JOBS_A_ROUND = 100


def forget_old_jobs() -> int:
    """Remove what is old; returns how many jobs were deleted."""
    now = timezone.now()
    while with_file := list(_finished_before(now - FILES_FOR).exclude(file="")[:_JOBS_A_ROUND]):
        for job in with_file:
            _remove_file(job)
    deleted = 0
    while old := list(_finished_before(now - JOBS_FOR)[:_JOBS_A_ROUND]):
        for job in old:
            delete_in_batches(BulkRow.objects.filter(job=job))
            job.delete()
        deleted += len(old)
    return deleted


def _finished_before(moment: datetime) -> BulkJobQuerySet:
    """In the order of the index, so that nothing else is read."""
    return BulkJob.objects.filter(finished_at__lt=moment).order_by("finished_at")


def _remove_file(job: BulkJob) -> None:
    """The file first: a process that dies in between finds the row again."""
    private.remove(job.file)
    BulkJob.objects.filter(pk=job.pk).update(file="")
