"""Replay stored notifications, from the admin or with the command `replay_inbox`.

A verified row becomes due again: what it says was parsed when it arrived. A rejected one is verified again from its raw
call with the current keys; if it passes, it becomes verified and due. Where the raw call is deleted, nothing is changed.
Applying twice is harmless: payment updates are idempotent.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.money import yuan
from ordersite.queue import wakeups
from ordersite.queue.replay import Replayed, due_again
from payments.accounts.keys import keys_of
from payments.cases import desk
from payments.models import PaymentException, PaymentNotification
from payments.notifications.receive import DRAIN_TASK
from payments.notifications.store import verified_values
from payments.providers.errors import Rejected
from payments.providers.registry import get_provider
from payments.providers.types import RawNotification

Outcome = PaymentNotification.Outcome
# Outcomes that a replay may change.
FAILED = (
    Outcome.UNKNOWN_ORDER, Outcome.AMOUNT_MISMATCH, Outcome.WRONG_ACCOUNT, Outcome.REFERENCE_CONFLICT,
    Outcome.REFUND_EVENT, Outcome.ORDER_REFUSED, Outcome.UNCLEAR, Outcome.POISON, Outcome.REJECTED,
)  # fmt: skip
_MONEY = ("amount", "refund_amount", "refunded_total")

logger = logging.getLogger(__name__)


def replay(ids: Sequence[int], *, actor: str, user_id: int | None = None) -> Replayed:
    """Make these notifications due again. `actor` (a user's or the command's name) is logged.

    Their open cases are resolved as replayed; a notification that fails again opens a new one.
    """
    done = Replayed()
    rows = {row.pk: row for row in _rows(ids)}
    for pk in dict.fromkeys(ids):
        _replay_one(rows.get(pk), done)
    _resolve_cases([pk for pk, row in rows.items() if row.is_waiting], user_id)
    logger.info("notifications replayed", extra={"actor": actor, **done.as_dict()})
    if done.replayed:
        wakeups.wake(DRAIN_TASK)
    return done


def failed_since(since: datetime) -> list[int]:
    """Return ids of notifications received since this time (aware) whose outcome a replay may change."""
    rows = PaymentNotification.objects.filter(received_at__gte=since)
    failed = rows.filter(Q(outcome__in=FAILED) | Q(outcome=Outcome.WAITING, attempts__gt=0))
    return list(failed.order_by("pk").values_list("pk", flat=True))


def _rows(ids: Sequence[int]) -> Sequence[PaymentNotification]:
    return list(PaymentNotification.objects.filter(pk__in=ids).select_related("account", "raw"))


def _replay_one(row: PaymentNotification | None, done: Replayed) -> None:
    if row is None:
        done.unknown += 1
    elif row.is_verified:
        _make_due(row, [])
        done.replayed += 1
    else:
        _verify_again(row, done)


def _make_due(row: PaymentNotification, columns: Sequence[str]) -> None:
    changes = due_again()
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=(*changes, *columns))


def _verify_again(row: PaymentNotification, done: Replayed) -> None:
    call = _raw_call(row)
    if call is None:
        done.gone += 1
        return
    try:
        keys = keys_of(row.account)
        notice = get_provider(row.account.provider).verify(call, keys)
    except Rejected as rejected:
        PaymentNotification.objects.filter(pk=row.pk).update(reject_code=rejected.code)
        done.still_rejected += 1
        return
    values: dict[str, Any] = {**verified_values(notice, keys), "reject_code": ""}
    for name, value in values.items():
        setattr(row, name, yuan(value) if name in _MONEY and value is not None else value)
    _save_verified(row, tuple(values), done)


def _raw_call(row: PaymentNotification) -> RawNotification | None:
    raw = row.raw_call
    try:
        return RawNotification(raw.headers, raw.body, row.received_at) if raw else None
    except CannotDecrypt:
        logger.error("raw call cannot be opened", extra={"notification": row.pk})
        return None


def _save_verified(row: PaymentNotification, columns: Sequence[str], done: Replayed) -> None:
    """Save the newly verified row, unless the provider's retry was stored as verified meanwhile."""
    try:
        with transaction.atomic():
            _make_due(row, columns)
    except IntegrityError:
        row.done_at = row.received_at
        done.duplicates += 1
        return
    done.verified += 1
    done.replayed += 1


def _resolve_cases(ids: Sequence[int], user_id: int | None) -> None:
    cases = PaymentException.objects.open().filter(notification_id__in=ids)
    user = None if user_id is None else User.objects.filter(pk=user_id).first()
    for case_id in cases.order_by("pk").values_list("pk", flat=True):
        desk.resolve_all([case_id], user=user, note=desk.REPLAYED)
