"""Stage a file's lines in a temporary table of this connection until the whole file is read.

The table disappears with the connection, so a killed worker leaves nothing behind; the next one reads the file again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection

from payments.reconciliation.readers.base import BillLine

TABLE = "statement_stage"
_COLUMNS = {
    "postgresql": "number integer, kind varchar(10), reference varchar(64), provider_reference varchar(64), "
    "refund_reference varchar(64), amount bigint, occurred_at timestamptz, sha256 varchar(64), identity uuid, "
    "note varchar(10)",
    "sqlite": "number integer, kind text, reference text, provider_reference text, refund_reference text, "
    "amount integer, occurred_at text, sha256 text, identity text, note text",
}


@contextmanager
def stage() -> Iterator[None]:
    """Create an empty staging table for the duration of this block."""
    _run(f"DROP TABLE IF EXISTS {TABLE}")
    _run(f"CREATE TEMPORARY TABLE {TABLE} ({_COLUMNS[connection.vendor]})")
    try:
        yield
    finally:
        if connection.connection is not None and not connection.needs_rollback:
            _run(f"DROP TABLE IF EXISTS {TABLE}")


def add(lines: Iterable[BillLine]) -> None:
    """Insert lines into the table of the enclosing `stage`."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {TABLE} FROM STDIN") as copy:
                for line in lines:
                    copy.write_row(line)
        else:
            adapt = connection.ops.adapt_datetimefield_value
            rows = [(*line[:6], adapt(line.occurred_at), *line[7:]) for line in lines]
            cursor.executemany(
                "INSERT INTO statement_stage VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", rows
            )


def analyze() -> None:
    """Update the planner's statistics, which would otherwise assume a small table."""
    if connection.vendor == "postgresql":
        _run(f"ANALYZE {TABLE}")


def _run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
