"""What the database sets for every connection: time limits and costs, kept by the server and not sent by the client.

A pooler in transaction mode refuses what a client names when it connects, or drops it without a word, and a `SET` lands
on whatever connection the pooler has at hand. So `migrate` writes them into the database (`ALTER DATABASE … SET`, by
its owner), and a process that serves or works looks at its start whether they are in force.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection, transaction

from ordersite.database import prepared
from ordersite.lib import env

logger = logging.getLogger(__name__)
TIME_LIMITS = {
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
}
# The cost of a random page is that of an SSD: with that of a disk, batches by primary key read whole tables of up to
# 100,000 rows. Compiling a statement takes longer than any of ours runs.
DEFAULTS = {**TIME_LIMITS, "random_page_cost": "1.1", "jit": "off"}


def install(application_role: str = "") -> None:
    """Write DEFAULTS into the database, for connections made from now on. Idempotent; PostgreSQL only.

    A role's own setting (`ALTER ROLE … SET`) stands above them. Who does not own the database writes them for its own
    role there; where the application's role is another one that it must not change, the log says what to run.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()"
        )
        (is_owner,) = cursor.fetchone()
        if is_owner:
            _write(cursor, f"DATABASE {_database()}", "")
            return
        cursor.execute("SELECT current_user")
        (own,) = cursor.fetchone()
        _write(cursor, _role_here(own), own)
    if application_role and application_role != own:
        _write_for_another(application_role)


def _database() -> str:
    return connection.ops.quote_name(connection.settings_dict["NAME"])


def _role_here(role: str) -> str:
    return f"ROLE {connection.ops.quote_name(role)} IN DATABASE {_database()}"


def _write(cursor: Any, whose: str, role: str) -> None:
    """Set what is not set yet; an empty `role` stands for all roles of the database."""
    cursor.execute(
        "SELECT unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase"
        " WHERE d.datname = current_database() AND s.setrole = coalesce((SELECT oid FROM pg_roles WHERE rolname = %s), 0)",
        [role],
    )
    there = {row[0] for row in cursor.fetchall()}
    for name, value in DEFAULTS.items():
        if f"{name}={value}" not in there:
            cursor.execute(f"ALTER {whose} SET {name} = '{value}'")


def _write_for_another(role: str) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            _write(cursor, _role_here(role), role)
    except DatabaseError:
        logger.warning("the application's role has no time limits: %s", _remedy(role))


def missing() -> list[str]:
    """Return the names of the time limits that are not in force on a connection; none on SQLite."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM pg_settings WHERE name = ANY(%s) AND setting = '0' ORDER BY name",
            [list(TIME_LIMITS)],
        )
        return [row[0] for row in cursor.fetchall()]


def _remedy(role: str) -> str:
    database = connection.settings_dict["NAME"]
    return " ".join(
        f'ALTER ROLE "{role}" IN DATABASE "{database}" SET {name} = \'{value}\';'
        for name, value in TIME_LIMITS.items()
    )


def refuse_missing() -> None:
    """Stop the start of this process where its connections have no time limits, or a pooler breaks its statements.

    A database that does not answer now is no reason: the process waits for it.
    """
    try:
        if names := missing():
            env.stop(
                "DATABASE_URL",
                f"leads to connections without {', '.join(names)}: let the database's owner run `manage.py migrate`"
                f" (then RECONNECT in PgBouncer), or a superuser: {_remedy(connection.settings_dict['USER'])}",
            )
        if prepared.is_broken_by_pooler():
            env.stop(
                "DATABASE_PREPARED_STATEMENTS",
                "must not be on: the pooler does not know them (PgBouncer does from 1.21, with max_prepared_statements)",
            )
    except DatabaseError as error:
        logger.warning("the database's time limits were not looked at: %s", error.__class__.__name__)
    finally:
        connection.close()


@contextmanager
def statement_time(limit: str) -> Iterator[None]:
    """Give the statements of the block so long (`10min`) instead of the seconds of a page. One transaction."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [limit])
        yield
