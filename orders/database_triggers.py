"""Triggers of this app (append-only history, audited columns) and the server's defaults, after every migrate."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import connection

from orders import machine
from orders.models import TransitionRule
from ordersite.database import server_defaults, triggers

logger = logging.getLogger(__name__)
APPEND_ONLY = ("orders_orderevent", "orders_historyseal", "rails_auditentry")
GUARDS: tuple[triggers.Guard, ...] = (
    *(triggers.AppendOnly(table) for table in APPEND_ONLY),
    triggers.Audited("orders_order", ("status", "total_amount", "refunded_amount")),
)


def prepare_database(**_kwargs: Any) -> None:
    """Install triggers and server defaults, grant the application's rights, fill the state machine. Idempotent."""
    server_defaults.install(settings.APPLICATION_ROLE)
    triggers.install(GUARDS)
    if settings.APPLICATION_ROLE and connection.vendor == "postgresql":
        grant_to_application(settings.APPLICATION_ROLE)
    TransitionRule.objects.bulk_create(
        [
            TransitionRule(from_status=row.source, action=row.action, trigger=row.trigger)
            for row in machine.ROWS
        ],
        ignore_conflicts=True,
    )


def grant_to_application(role: str) -> None:
    """Grant the application's role all rights on all tables, but only SELECT and INSERT on the history.

    Where another role owns the tables (DATABASE_MIGRATION_URL), it cannot drop the triggers either.
    """
    name = connection.ops.quote_name(role)
    tables = ", ".join(connection.ops.quote_name(table) for table in APPEND_ONLY)
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {name}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}")
        cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {tables} FROM {name}")
        _revoke_hiding(cursor, role)


def _revoke_hiding(cursor: Any, role: str) -> None:
    """Take away what could stand before a table of its name: temporary tables, and new ones in the public schema.

    A role that owns neither database nor schema cannot take it away; then the log says so.
    """
    name, database = map(connection.ops.quote_name, (role, connection.settings_dict["NAME"]))
    cursor.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC, {name}")
    cursor.execute(f"REVOKE CREATE ON SCHEMA public FROM PUBLIC, {name}")
    cursor.execute("SELECT has_database_privilege(%s, current_database(), 'TEMPORARY')", [role])
    if cursor.fetchone()[0]:
        logger.warning(
            "the application's role may still make temporary tables: let the database's owner migrate"
        )
