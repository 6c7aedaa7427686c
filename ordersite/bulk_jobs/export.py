"""Exports the results of a bulk job as CSV: a line for each of its rows, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from ordersite.bulk_jobs.models import BulkJob, BulkRow, RowResult
from ordersite.bulk_jobs.operations import Operation
from ordersite.lib.files.csv_export import csv_lines

_AT_ONCE = 2_000


def result_csv(job: BulkJob, operation: Operation | None) -> Iterator[str]:
    """Yield the rows of a job as CSV, in the current language and the shop's time zone.

    `operation` is None for one that this version does not know: the codes stand for their words then.
    """
    return csv_lines(_rows(job, operation))


def _rows(job: BulkJob, operation: Operation | None) -> Iterator[Sequence[str]]:
    yield (
        _("No."),
        _("number"),
        pgettext("row of a bulk job", "result"),
        _("reason"),
        _("code"),
        _("done at"),
    )
    # By ranges of positions: a cursor of the server would live in a connection, which a pooler changes.
    after, rows = 0, BulkRow.objects.filter(job=job).order_by("position")
    while chunk := list(rows.filter(position__gt=after)[:_AT_ONCE]):
        yield from (_cells(row, operation) for row in chunk)
        after = chunk[-1].position


def _cells(row: BulkRow, operation: Operation | None) -> Sequence[str]:
    result = str(RowResult(row.result).label) if row.result else _("waiting")
    words = operation.words_of(row) if operation else row.words
    at = timezone.localtime(row.done_at).strftime("%Y-%m-%d %H:%M:%S") if row.done_at else ""
    return (str(row.position), row.name, result, words, row.code, at)
