"""An operation that writes an audit entry for each row, so that a test sees how often each row was done."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from ordersite.bulk_jobs.models import RowResult
from ordersite.bulk_jobs.operations import Operation, RowOutcome, RowTask, Subject, pair_up, skipped, table_of
from ordersite.lib.errors import DomainError
from ordersite.queue.audit import AuditedChange, record

REFUSED, SKIPPED, BROKEN, DEADLY = 666, 777, 888, 999


def run(task: RowTask) -> RowOutcome:
    """Write first, then end as the row's number says: what it wrote must be gone with a refusal."""
    record([AuditedChange("bulk_test", task.subject_id, "done", "", "x")], actor=task.username)
    if task.subject_id == REFUSED:
        raise DomainError("refused_here", "This row is %(what)s.", what="refused")
    if task.subject_id == BROKEN:
        raise ZeroDivisionError
    if task.subject_id == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return skipped("nothing_to_do") if task.subject_id == SKIPPED else RowOutcome(RowResult.DONE)


def find(numbers: Sequence[str]) -> list[Subject]:
    return list(pair_up(numbers, {number: [int(number)] for number in numbers if number.isdigit()}))


RECORDED = Operation(
    key="recorded",
    label="Record",
    explain="",
    permission="orders.close_order",
    run=run,
    find=find,
    row_page="admin:orders_order_change",
    words={"nothing_to_do": "Nothing to do."},
)
TABLE = table_of([RECORDED])
