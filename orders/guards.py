"""What the database itself refuses and records, and the machine's known rows: installed after every migrate."""

from __future__ import annotations

from typing import Any

from orders import machine
from orders.models import TransitionRule
from ordersite.rails import triggers

GUARDS: tuple[triggers.Guard, ...] = (
    triggers.AppendOnly("orders_orderevent"),
    triggers.AppendOnly("orders_historyseal"),
    triggers.AppendOnly("rails_auditentry"),
    triggers.Audited("orders_order", ("status", "total_amount", "refunded_amount")),
)


def prepare_database(**_kwargs: Any) -> None:
    """Idempotent: triggers anew, and the rows of the machine that are not there yet."""
    triggers.install(GUARDS)
    TransitionRule.objects.bulk_create(
        [
            TransitionRule(from_status=row.source, action=row.action, trigger=row.trigger)
            for row in machine.ROWS
        ],
        ignore_conflicts=True,
    )
