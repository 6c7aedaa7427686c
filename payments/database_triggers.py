"""Database triggers, functions and grants of payments: steps of a case can be added, never changed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection

from ordersite.database import triggers

STEPS = "payments_paymentexceptionstep"
# Only the owner of a table may analyze it; the function takes no text and searches no schema of its caller.
_ANALYZE_STAGE = (
    "CREATE OR REPLACE FUNCTION payments_analyze_stage() RETURNS void LANGUAGE plpgsql SECURITY DEFINER "
    "SET search_path = pg_catalog, pg_temp AS $$ BEGIN ANALYZE public.payments_statementstage; END $$",
    "REVOKE EXECUTE ON FUNCTION payments_analyze_stage() FROM PUBLIC",
)
GUARDS: tuple[triggers.Guard, ...] = (triggers.AppendOnly(STEPS),)


def prepare_database(**_kwargs: Any) -> None:
    """Install the triggers after every migrate; the application's role may only read and add steps."""
    triggers.install(GUARDS)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for statement in _ANALYZE_STAGE:
                cursor.execute(statement)
        if settings.APPLICATION_ROLE:
            grant_to_application(settings.APPLICATION_ROLE)


def grant_to_application(role: str) -> None:
    """Let the application's role read and add steps, and refresh the statistics of staged lines."""
    name = connection.ops.quote_name(role)
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT SELECT, INSERT ON {STEPS} TO {name}")
        cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {STEPS} FROM {name}")
        cursor.execute(f"GRANT EXECUTE ON FUNCTION payments_analyze_stage() TO {name}")
