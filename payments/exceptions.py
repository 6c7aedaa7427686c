"""Cases for a person: raised in the transaction of the fact, once per fact while open; resolved by a person."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from ordersite.lib.money import format_amount
from ordersite.rails import bulk, outbox
from payments import errors
from payments.models import PaymentException

_KEY_LENGTH = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`dedup_key` names the fact (a trade, an order, an hour): one fact makes one open case. `amount` is yuan.

    `detail` is JSON for the page: what was seen and what was expected, amounts as text.
    """

    kind: PaymentException.Kind
    dedup_key: str
    account_id: int | None = None
    order_id: int | None = None
    payment_id: int | None = None
    notification_id: int | None = None
    amount: Decimal | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def fact_key(*parts: object) -> str:
    """The parts as one dedup key; a hash where they are too long for the column."""
    joined = ":".join(str(part) for part in parts)
    return joined if len(joined) <= _KEY_LENGTH else hashlib.sha256(joined.encode()).hexdigest()


def raise_exceptions(cases: Sequence[Case]) -> int:
    """Insert the cases that are not open yet and publish an event for each of those; returns how many are new.

    Call inside a transaction. Two statements whatever the number.
    """
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


def _plain(value: Any) -> Any:
    return format_amount(value) if isinstance(value, Decimal) else value


def resolve(exception: PaymentException, *, user: AbstractBaseUser, note: str) -> None:
    """Close a case with the words of the person who dealt with it.

    Raises `DomainError`: note_missing, already_resolved (another person was faster).
    """
    words = note.strip()
    if not words:
        raise errors.note_missing()
    with transaction.atomic():
        changed = PaymentException.objects.filter(pk=exception.pk, resolved_at__isnull=True).update(
            resolved_at=timezone.now(), resolved_by_id=user.pk, resolution=words[:500]
        )
    if not changed:
        raise errors.already_resolved()
