"""Stage a file's lines in a table until the whole file is read.

The table is permanent: a temporary one needs a right with which the application's role could hide changes from the audit
(a temporary table is found before the real one of its name). It is unlogged on PostgreSQL, so a line costs no more. Rows
belong to one attempt at one statement, which deletes them; those that a killed worker left go when any file is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from payments.reconciliation.readers.base import BillLine

TABLE = "payments_statementstage"
_COLUMNS = (
    "statement_id, attempt, number, kind, reference, provider_reference, refund_reference, amount, occurred_at, "
    "sha256, identity, note"
)
_MARKS = ", ".join(["%s"] * len(_COLUMNS.split(",")))
_TIME = _COLUMNS.split(", ").index("occurred_at")
_LEFT_BEHIND = f"""
DELETE FROM {TABLE} WHERE statement_id IN (
  SELECT s.statement_id FROM (SELECT DISTINCT statement_id FROM {TABLE}) s
  LEFT JOIN payments_statement p ON p.id = s.statement_id
  WHERE p.id IS NULL OR p.done_at IS NOT NULL)
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Stage:
    """The staged lines of one attempt to read one statement."""

    statement_id: int
    attempt: int

    def rows(self, lines: Iterable[BillLine]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of these lines in the order of the table's columns."""
        key = (self.statement_id, self.attempt)
        return ((*key, *line) for line in lines)


def add(rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows of `Stage.rows`."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {TABLE} ({_COLUMNS}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        adapt = connection.ops.adapt_datetimefield_value
        adapted = [(*row[:_TIME], adapt(row[_TIME]), *row[_TIME + 1 :]) for row in rows]
        with transaction.atomic():
            cursor.executemany(f"INSERT INTO {TABLE} ({_COLUMNS}) VALUES ({_MARKS})", adapted)  # noqa: S608


@contextmanager
def stage(statement_id: int, attempt: int) -> Iterator[Stage]:
    """Stage lines for the duration of this block. Removes what earlier attempts and dead workers left."""
    _run(f"DELETE FROM {TABLE} WHERE statement_id = %s", statement_id)  # noqa: S608
    _run(_LEFT_BEHIND)
    try:
        yield Stage(statement_id, attempt)
    finally:
        if connection.connection is not None and not connection.needs_rollback:
            _run(f"DELETE FROM {TABLE} WHERE statement_id = %s AND attempt = %s", statement_id, attempt)  # noqa: S608


def analyze() -> None:
    """Update the planner's statistics, which would otherwise assume a small table.

    Only a table's owner may do so: by a function that runs with the owner's rights (`payments.database_triggers`).
    """
    if connection.vendor == "postgresql":
        _run("SELECT payments_analyze_stage()")


def _run(sql: str, *values: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
