"""Database triggers as data: append-only tables and audited columns, on PostgreSQL and SQLite.

They are installed again after every migrate, because a later change of a table drops SQLite's triggers silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True, slots=True)
class AppendOnly:
    """Rows of `table` can be added and nothing else."""

    table: str

    @property
    def names(self) -> tuple[str, ...]:
        if connection.vendor == "postgresql":
            return (f"{self.table}_no_change", f"{self.table}_no_truncate")
        return (f"{self.table}_no_update", f"{self.table}_no_delete")

    def statements(self) -> list[str]:
        if connection.vendor == "postgresql":
            return [_REFUSE_FUNCTION, *self._postgresql()]
        return [
            f"CREATE TRIGGER {self.table}_no_{word} BEFORE {word.upper()} ON {self.table} "
            f"BEGIN SELECT RAISE(ABORT, '{self.table} is append-only'); END"
            for word in ("update", "delete")
        ]

    def _postgresql(self) -> list[str]:
        return [
            f"CREATE OR REPLACE TRIGGER {self.table}_no_change BEFORE UPDATE OR DELETE ON {self.table} "
            "FOR EACH ROW EXECUTE FUNCTION ordersite_refuse_change()",
            f"CREATE OR REPLACE TRIGGER {self.table}_no_truncate BEFORE TRUNCATE ON {self.table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ordersite_refuse_change()",
        ]


@dataclass(frozen=True, slots=True)
class Audited:
    """Each change of one of `columns` of `table` writes a row into rails_auditentry."""

    table: str
    columns: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        if connection.vendor == "postgresql":
            return (f"{self.table}_audit",)
        return tuple(f"{self.table}_audit_{column}" for column in self.columns)

    def statements(self) -> list[str]:
        return self._postgresql() if connection.vendor == "postgresql" else self._sqlite()

    def _postgresql(self) -> list[str]:
        """One trigger a statement, not a row: a batch of 200 orders costs one INSERT more.

        The planner does not know how many rows the two transition tables hold and joins them by a nested loop: 20,000
        orders took half a minute. Without nested loops it sorts them, at an estimated cost that would start JIT.

        It runs with its owner's rights, so it names what it writes by schema and searches no schema of the caller: a
        temporary table of the same name would take the rows in.
        """
        columns = ", ".join(f"('{column}', o.{column}::text, n.{column}::text)" for column in self.columns)
        return [
            f"CREATE OR REPLACE FUNCTION {self.table}_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
            "SET search_path = pg_catalog, pg_temp SET enable_nestloop = off SET jit = off AS $$ "
            f"BEGIN INSERT INTO public.rails_auditentry ({_AUDIT_COLUMNS}) "
            f"SELECT '{self.table}', n.id, c.name, c.old, c.new, session_user, now() "
            f"FROM old_rows o JOIN new_rows n USING (id), LATERAL (VALUES {columns}) AS c(name, old, new) "
            "WHERE c.old IS DISTINCT FROM c.new; RETURN NULL; END $$",
            f"CREATE OR REPLACE TRIGGER {self.table}_audit AFTER UPDATE ON {self.table} "
            "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {self.table}_audit()",
        ]

    def _sqlite(self) -> list[str]:
        return [
            f"CREATE TRIGGER {self.table}_audit_{column} AFTER UPDATE OF {column} ON {self.table} "
            f"WHEN OLD.{column} IS NOT NEW.{column} BEGIN "
            f"INSERT INTO rails_auditentry ({_AUDIT_COLUMNS}) VALUES ('{self.table}', NEW.id, '{column}', "
            f"OLD.{column}, NEW.{column}, 'sqlite', strftime('%Y-%m-%d %H:%M:%f', 'now')); END"
            for column in self.columns
        ]


Guard = AppendOnly | Audited

_AUDIT_COLUMNS = "table_name, row_id, column_name, old_value, new_value, database_user, changed_at"
_REFUSE_FUNCTION = """
CREATE OR REPLACE FUNCTION ordersite_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$
"""


def install(guards: Iterable[Guard]) -> None:
    """Create or replace the triggers. Idempotent."""
    with connection.cursor() as cursor:
        for guard in guards:
            if connection.vendor == "sqlite":
                for name in guard.names:
                    cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            for statement in guard.statements():
                cursor.execute(statement)


def remove(guards: Iterable[Guard]) -> None:
    """Drop the triggers, for tests that flush tables on SQLite."""
    with connection.cursor() as cursor:
        for guard in guards:
            for name in guard.names:
                on = f" ON {guard.table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def missing(guards: Sequence[Guard], *, using: BaseDatabaseWrapper | None = None) -> list[str]:
    """Names of triggers that should be there and are not (or are disabled, on PostgreSQL)."""
    database = using or connection
    sql = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
        if database.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with database.cursor() as cursor:
        cursor.execute(sql)
        present = {row[0] for row in cursor.fetchall()}
    return [name for guard in guards for name in guard.names if name not in present]
