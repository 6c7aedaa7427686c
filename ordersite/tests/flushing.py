"""Emptying the database between two transactional tests, without making anew what no test has changed.

Django's own flush truncates every table and then makes content types, permissions and roles again: 0.4 seconds a test,
most of the time of the whole suite. Here only tables that hold something are emptied, and what `migrate` has filled
stays as long as it is what it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.core.management.sql import emit_post_migrate_signal
from django.db import connection, transaction
from django.db.backends.base.operations import BaseDatabaseOperations

from logistics import database_triggers as logistics_guards
from orders import database_triggers as orders_guards
from ordersite.automation import database_triggers as automation_guards
from ordersite.database import triggers
from payments import database_triggers as payments_guards

GUARDS = (
    *orders_guards.GUARDS,
    *logistics_guards.GUARDS,
    *payments_guards.GUARDS,
    *automation_guards.GUARDS,
)
# Filled by migrate; the roles and the rows of the machine may be changed by a test, then all is made again.
FILLED = (
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "orders_transitionrule",
    "orders_riskstrategy",
)
# Above this many bytes a table is truncated: what a test of a hundred thousand rows leaves must not lie about dead.
_LARGE = 1_000_000
_NAME = re.compile(r'"([a-z_0-9]+)"')

Flush = Callable[[BaseDatabaseOperations, Iterable[str]], None]


class Flusher:
    """`remember` what migrate has filled, then `flush` in the place of Django's own `execute_sql_flush`."""

    def __init__(self, original: Flush) -> None:
        self._original = original
        self._filled: list[Any] = []

    def remember(self) -> None:
        self._filled = _filled()

    def flush(self, operations: BaseDatabaseOperations, sql_list: Sequence[str]) -> None:
        """History refuses TRUNCATE and DELETE; the flush must get past that."""
        if self._filled and self._filled == _filled():
            tables = dict.fromkeys(name for sql in sql_list for name in _NAME.findall(sql))
            _empty([name for name in tables if name not in FILLED])
            if triggers.missing(GUARDS):
                triggers.install(GUARDS)
            return
        self._flush_all(operations, sql_list)
        emit_post_migrate_signal(0, False, connection.alias)
        self.remember()

    def _flush_all(self, operations: BaseDatabaseOperations, sql_list: Sequence[str]) -> None:
        if connection.vendor == "postgresql":
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL session_replication_role = replica")
                self._original(operations, sql_list)
            return
        triggers.remove(GUARDS)
        self._original(operations, sql_list)  # the signal that follows installs them again


def _filled() -> list[Any]:
    found: list[Any] = []
    with connection.cursor() as cursor:
        for table in FILLED:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            found.append(cursor.fetchall())
    return found


def _empty(tables: Sequence[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables)
        )
        full = [row[0] for row in cursor.fetchall()]
    if not full:
        return
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            # Neither triggers nor foreign keys are looked at.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("; ".join(_emptying(cursor, name) for name in full))
        return
    triggers.remove(GUARDS)
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for name in full:
            cursor.execute(f"DELETE FROM {name}")


def _emptying(cursor: Any, table: str) -> str:
    cursor.execute("SELECT pg_relation_size(%s)", [table])
    large = cursor.fetchone()[0] > _LARGE
    return f"TRUNCATE {table} CASCADE" if large else f"DELETE FROM {table}"
