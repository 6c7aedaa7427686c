"""Opens cases for a person, in the transaction of the fact and once per fact while the case is open."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils import timezone

from ordersite.database import bulk
from ordersite.lib.money import format_amount
from ordersite.queue import outbox
from payments.models import PaymentException

_KEY_LENGTH = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case to open. `dedup_key` names the fact (a trade, an order, an hour): one fact has one open case.

    `amount` is yuan. `detail` is JSON for the page: what was seen and what was expected, amounts as text. `is_news` is
    False for a fact that we only see again because we polled: it does not open a resolved case again.
    """

    kind: PaymentException.Kind
    dedup_key: str
    account_id: int | None = None
    order_id: int | None = None
    payment_id: int | None = None
    notification_id: int | None = None
    amount: Decimal | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    is_news: bool = True


def fact_key(*parts: object) -> str:
    """Join the parts to a dedup key; a hash where they are too long for the column."""
    joined = ":".join(str(part) for part in parts)
    return joined if len(joined) <= _KEY_LENGTH else hashlib.sha256(joined.encode()).hexdigest()


def open_cases(cases: Sequence[Case]) -> int:
    """Insert the cases that are not open yet and publish an event for each of them; returns how many are new.

    Call inside a transaction. Two statements whatever the number, one more where some are no news.
    """
    cases = _without_resolved(cases)
    now = timezone.now()
    # Sorted by the unique key: two unsorted multi-row inserts deadlock.
    ordered = sorted(cases, key=lambda case: (case.kind, case.dedup_key))
    rows = [
        PaymentException(
            kind=case.kind,
            dedup_key=case.dedup_key,
            account_id=case.account_id,
            order_id=case.order_id,
            payment_id=case.payment_id,
            notification_id=case.notification_id,
            amount=case.amount,
            detail={name: _plain(value) for name, value in case.detail.items()},
            created_at=now,
        )
        for case in ordered
    ]
    new = bulk.insert_rows(PaymentException, rows, ignore_conflicts=True, returning=("id", "kind", "order"))
    outbox.publish(
        [
            outbox.Event("payment.exception_raised", pk, now, {"kind": kind, "order_id": order_id})
            for pk, kind, order_id in new
        ]
    )
    return len(new)


def _without_resolved(cases: Sequence[Case]) -> Sequence[Case]:
    """Leave out what is no news and was resolved before: hourly polls bring the same fact again and again."""
    old = [case.dedup_key for case in cases if not case.is_news]
    if not old:
        return cases
    resolved = PaymentException.objects.resolved().filter(dedup_key__in=old)
    known = set(resolved.values_list("kind", "dedup_key"))
    return [case for case in cases if case.is_news or (case.kind, case.dedup_key) not in known]


def _plain(value: Any) -> Any:
    return format_amount(value) if isinstance(value, Decimal) else value
