"""Apply stored, verified notifications as payment updates, in batches of one transaction each.

`PaymentNotification` is the inbox; `ordersite.queue.claims` claims its rows. Any number of workers may run this. Fresh
rows are applied in batches; a row that was claimed before is applied alone, so that a row that kills its process stops
no other row.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from orders import machine
from orders.history.lines import Evidence
from ordersite.database import bulk
from ordersite.queue import claims
from payments.cases.open import Case, open_cases
from payments.lifecycle.apply import apply_batch
from payments.lifecycle.updates import Outcome, PaymentUpdate, UpdateResult
from payments.models import Payment, PaymentException, PaymentNotification
from payments.providers.types import UpdateKind

BATCH = 200
_WRITTEN = ("outcome", "done_at", "due_at", "leased_until", "attempts", "last_error")
# Columns that a payment update takes over under the same name.
_FIELDS = (
    "account_id", "reference", "provider_reference", "amount", "currency", "occurred_at", "refund_reference",
    "refund_amount", "refunded_total", "full_refund", "account_problem",
)  # fmt: skip
_REFUNDS = (UpdateKind.REFUND, UpdateKind.REFUND_FAILED, UpdateKind.REFUND_ABNORMAL)

logger = logging.getLogger(__name__)


def drain_notifications() -> int:
    """Apply all waiting notifications; return how many rows were claimed.

    Repeats the keyset walk until one finds nothing, because a row that was deferred behind another event of its order
    is due again at once.
    """
    claimed = 0
    while count := _walk():
        claimed += count
    return claimed


def _walk() -> int:
    return claims.drain(PaymentNotification, size=BATCH, apply=apply_notifications, give_up=_give_up)


@dataclass(slots=True)
class Waiting:
    """The columns that are written back to a notification; a model instance would cost as much as deciding."""

    id: int
    due_at: datetime
    outcome: str = Outcome.WAITING.value
    done_at: datetime | None = None
    leased_until: datetime | None = None
    attempts: int = 0
    last_error: str = ""


def apply_notifications(ids: Sequence[int]) -> None:
    """Apply these notifications and skip rows that are done. Locks them; call inside a transaction."""
    rows, updates = _read(ids)
    results = apply_batch(updates)
    now = timezone.now()
    for row, result in zip(rows, results, strict=True):
        _note(row, result, now)
    # The guard skips a row that another worker has finished meanwhile.
    bulk.update_rows(PaymentNotification, rows, _WRITTEN, guard={"outcome": Outcome.WAITING.value})


def _read(ids: Sequence[int]) -> tuple[list[Waiting], list[PaymentUpdate]]:
    locked = PaymentNotification.objects.waiting().select_for_update(no_key=True)
    found = locked.filter(pk__in=ids).order_by("pk")
    rows, updates = [], []
    for row in found.values_list(
        "id", "due_at", "kind", "body_digest", "keys_fingerprint", "received_at", *_FIELDS
    ):
        pk, due_at, kind, digest, keys, received_at, *values = row
        rows.append(Waiting(pk, due_at))
        updates.append(
            PaymentUpdate(
                kind=UpdateKind(kind),
                evidence=Evidence("notification", str(pk), digest, keys),
                seen_at=received_at,
                trigger=machine.NOTIFICATION,
                notification_id=pk,
                **dict(zip(_FIELDS, values, strict=True)),
            )
        )
    return rows, _by_their_numbers(updates)


def _by_their_numbers(updates: list[PaymentUpdate]) -> list[PaymentUpdate]:
    """Fill in our reference where a refund names the payment by the provider's number only.

    UnionPay does so for refunds made in its own merchant console."""
    nameless = {f.provider_reference for f in updates if f.kind in _REFUNDS and not f.reference} - {""}
    if not nameless:
        return updates
    paid = Payment.objects.filter(provider_reference__in=sorted(nameless))
    names = {
        (account, number): reference
        for account, number, reference in paid.values_list("account_id", "provider_reference", "reference")
    }
    return [
        update
        if update.reference or update.kind not in _REFUNDS
        else replace(update, reference=names.get((update.account_id, update.provider_reference), ""))
        for update in updates
    ]


def _note(row: Waiting, result: UpdateResult | None, now: datetime) -> None:
    """Set the row's outcome or its retry time.

    A row without a result was deferred behind another event of its order; it stays due for the next walk."""
    if result is not None and result.retry_after is not None:
        row.due_at = now + result.retry_after
    elif result is not None:
        row.outcome, row.done_at = result.outcome.value, now


def _give_up(pk: int, why: str) -> None:
    """Park a row that cannot be processed and open a case; a person may replay it."""
    logger.error("notification given up", extra={"notification": pk})
    with transaction.atomic():
        changed = (
            PaymentNotification.objects.waiting()
            .filter(pk=pk)
            .update(outcome=Outcome.POISON, done_at=timezone.now(), leased_until=None, last_error=why[:500])
        )
        if changed:
            open_cases([_poison(PaymentNotification.objects.get(pk=pk))])


def _poison(row: PaymentNotification) -> Case:
    return Case(
        kind=PaymentException.Kind.POISON,
        dedup_key=str(row.pk),
        account_id=row.account_id,
        notification_id=row.pk,
        amount=row.amount,
        detail={"reference": row.reference, "error": row.last_error},
    )
