"""Database triggers and grants of payments: steps of a case can be added, never changed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connection

from ordersite.database import triggers

STEPS = "payments_paymentexceptionstep"
GUARDS: tuple[triggers.Guard, ...] = (triggers.AppendOnly(STEPS),)


def prepare_database(**_kwargs: Any) -> None:
    """Install the triggers after every migrate; the application's role may only read and add steps."""
    triggers.install(GUARDS)
    if settings.APPLICATION_ROLE and connection.vendor == "postgresql":
        name = connection.ops.quote_name(settings.APPLICATION_ROLE)
        with connection.cursor() as cursor:
            cursor.execute(f"GRANT SELECT, INSERT ON {STEPS} TO {name}")
            cursor.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {STEPS} FROM {name}")
