"""Replay stored pushes, from the admin or with the command `replay_pushes`.

A verified row becomes due again: what it says was read when it arrived. A rejected one is checked again from its raw call
with the current keys; if it passes, what it says is stored as any push is, and it is marked as replayed. Applying twice is
harmless: a route that is applied again changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from logistics import cases
from logistics.accounts import keys_of
from logistics.carriers.registry import get_carrier
from logistics.carriers.types import PushCall, PushRejected
from logistics.models import CarrierNotification, PushBody, ShipmentException
from logistics.pushes.known import Known, Opened
from logistics.pushes.receive import APPLY_TASK, read_routes_of
from logistics.pushes.store import INBOX, ReceivedPush, verified_push
from ordersite.lib.crypto import CannotDecrypt
from ordersite.queue import wakeups
from ordersite.queue.replay import Replayed, due_again

Effect = CarrierNotification.Effect
# Outcomes that a replay may change.
FAILED = (Effect.UNKNOWN_NUMBER, Effect.POISON, Effect.REJECTED)
# Stored in English, shown in the reader's language by `orders.labels.note_label`.
REPLAYED = "replayed"

logger = logging.getLogger(__name__)


def replay(ids: Sequence[int], *, actor: str, user_id: int | None = None) -> Replayed:
    """Make these pushes due again. `actor` (a user's or the command's name) is logged.

    The case of an account's stuck pushes is resolved once none is left; one that fails again opens a new one.
    """
    done = Replayed()
    rows = {row.pk: row for row in CarrierNotification.objects.filter(pk__in=ids).select_related("account")}
    for pk in dict.fromkeys(ids):
        _replay_one(rows.get(pk), done)
    _resolve_stuck({row.account_id for row in rows.values()}, user_id)
    logger.info("pushes replayed", extra={"actor": actor, **done.as_dict()})
    if done.replayed:
        wakeups.wake(APPLY_TASK)
    return done


def failed_since(since: datetime) -> list[int]:
    """Return ids of pushes received since this time (aware) whose outcome a replay may change."""
    rows = CarrierNotification.objects.filter(received_at__gte=since)
    failed = rows.filter(Q(outcome__in=FAILED) | Q(outcome=Effect.WAITING, attempts__gt=0))
    return list(failed.order_by("pk").values_list("pk", flat=True))


def _replay_one(row: CarrierNotification | None, done: Replayed) -> None:
    if row is None:
        done.unknown += 1
        return
    raw = row.raw_call
    if raw is None:
        done.gone += 1
    elif row.is_verified:
        CarrierNotification.objects.filter(pk=row.pk).update(**due_again())
        done.replayed += 1
    else:
        _check_again(row, raw, done)


def _check_again(row: CarrierNotification, raw: PushBody, done: Replayed) -> None:
    """Check a rejected push with today's keys, at the time when it arrived."""
    try:
        call = PushCall(raw.headers, raw.body, row.received_at)
    except CannotDecrypt:
        logger.error("raw push cannot be opened", extra={"notification": row.pk})
        done.gone += 1
        return
    known: Known = Opened(row.account_id, "", keys_of(row.account), 0.0)
    try:
        routes = read_routes_of(get_carrier(row.account.carrier), call, known)
    except PushRejected as rejected:
        changes = {"reject_code": rejected.reason[:30], "reject_detail": rejected.detail}
        CarrierNotification.objects.filter(pk=row.pk).update(**changes)
        done.still_rejected += 1
        return
    received = ReceivedPush(known, call, raw.headers, row.remote_address, time.perf_counter())
    if not routes or not INBOX.store(verified_push(received, routes)):
        done.duplicates += 1
        return
    CarrierNotification.objects.filter(pk=row.pk).update(outcome=Effect.REPLAYED)
    done.verified += 1
    done.replayed += 1


def _resolve_stuck(account_ids: Iterable[int], user_id: int | None) -> None:
    user = None if user_id is None else User.objects.filter(pk=user_id).first()
    for account_id in sorted(account_ids):
        with transaction.atomic():
            stuck = ShipmentException.objects.open().filter(
                kind=ShipmentException.Kind.PUSH_STUCK, account=account_id
            )
            case = stuck.first()
            poison = CarrierNotification.objects.filter(account_id=account_id, outcome=Effect.POISON)
            if case is not None and not poison.exists():
                cases.resolve(case, user=user, note=REPLAYED)
