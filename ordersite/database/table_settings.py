"""Storage parameters of busy PostgreSQL tables, set in a migration; an administrator may tune them further.

The server's default, to vacuum a table when a fifth of its rows is dead, suits tables of thousands of rows. A queue
is empty most of the time and has all its dead rows at its head, where every claim has to step over them; a table of
millions would wait for a million.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# A queue: rows come and go.
QUEUE = {"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 1000}
# A table that grows and whose young rows change a few times.
GROWING = {
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_vacuum_threshold": 5000,
    "autovacuum_analyze_scale_factor": 0.02,
    "autovacuum_analyze_threshold": 5000,
    "autovacuum_vacuum_insert_scale_factor": 0.05,
}


def keep(table: str, **parameters: float) -> migrations.RunPython:
    """A migration's operation: storage parameters of a table. Does nothing on another database than PostgreSQL."""
    given = ", ".join(f"{name} = {value}" for name, value in parameters.items())
    return migrations.RunPython(
        _altering(table, f"SET ({given})"), _altering(table, f"RESET ({', '.join(parameters)})")
    )


def _altering(table: str, change: str) -> Any:
    def alter(_apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(f"ALTER TABLE {editor.quote_name(table)} {change}")

    return alter
