"""Reserves the id of a row that is inserted later, so that others can be given it now."""

from __future__ import annotations

from django.db import connection, models


def reserve_id(model: type[models.Model]) -> int:
    """Take the next id of a table; nobody else gets it, also where it is never used. Call inside a transaction."""
    table, column = model._meta.db_table, str(model._meta.pk.column)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, %s))", [table, column])
            return int(cursor.fetchone()[0])
        # SQLite's own counter of an AUTOINCREMENT column (https://www.sqlite.org/autoinc.html) is an ordinary table.
        cursor.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = %s", [table])
        if not cursor.rowcount:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, 1)", [table])
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        return int(cursor.fetchone()[0])
