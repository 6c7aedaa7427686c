"""What is stored of a webhook call: the columns of its row and its raw call, for the one statement of the inbox."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from ordersite.lib.money import fen
from ordersite.queue.inbox import Inbox, StoredCall
from payments.lifecycle.updates import plausible_time
from payments.models import NotificationBody, PaymentNotification
from payments.models.notification import place_of_body
from payments.notifications.raw_call import ReceivedCall
from payments.providers.errors import Rejected
from payments.providers.types import AccountKeys, ParsedNotification

_VERIFIED, _REJECTED = PaymentNotification.CheckResult.VERIFIED, PaymentNotification.CheckResult.REJECTED
# Fields of a new row; the statement itself sets `attempts` and `last_error`.
FIELDS = (
    "account_id", "event_id", "check_result", "reject_code", "kind", "reference", "provider_reference", "amount",
    "currency", "refund_reference", "refund_amount", "refunded_total", "full_refund", "account_problem",
    "provider_state", "occurred_at", "body_digest", "keys_fingerprint", "remote_address", "received_at",
    "answered_ms", "outcome", "done_at", "due_at",
)  # fmt: skip


INBOX = Inbox(PaymentNotification, FIELDS, NotificationBody, ("headers", "sealed_body", "key_id"))


def verified_values(notice: ParsedNotification, keys: AccountKeys) -> dict[str, Any]:
    """Return the fields of a notification that these keys verified; money in fen."""
    return {
        "event_id": notice.event_id,
        "check_result": _VERIFIED.value,
        "kind": notice.kind.value,
        "reference": notice.reference,
        "provider_reference": notice.provider_reference,
        "amount": _fen(notice.amount),
        "currency": notice.currency,
        "refund_reference": notice.refund_reference,
        "refund_amount": _fen(notice.refund_amount),
        "refunded_total": _fen(notice.refunded_total),
        "full_refund": notice.full_refund,
        "account_problem": notice.account_problem,
        "keys_fingerprint": keys.fingerprint,
        "provider_state": notice.state,
        "occurred_at": plausible_time(notice.occurred_at, seen_at=timezone.now()),
    }


def _fen(amount: Any) -> int | None:
    return None if amount is None else fen(amount)


def rejected_values(rejected: Rejected, *, now: datetime) -> dict[str, Any]:
    """Return the fields of a rejected call: done from the start, kept only for people to read."""
    outcome = PaymentNotification.Outcome.REJECTED.value
    return {"check_result": _REJECTED.value, "reject_code": rejected.code, "outcome": outcome, "done_at": now}


_EMPTY: dict[str, Any] = dict.fromkeys(FIELDS, "") | {
    "amount": None, "refund_amount": None, "refunded_total": None, "full_refund": False, "occurred_at": None,
    "done_at": None,
}  # fmt: skip


def stored_call(received: ReceivedCall, values: Mapping[str, Any]) -> StoredCall:
    """Complete `values` (of `verified_values` or `rejected_values`) to a call that can be stored, its body sealed."""
    call, account_id = received.call, received.known.id
    digest = hashlib.sha256(call.body).hexdigest()
    key_id, sealed = settings.KEY_RING.seal_bytes(call.body, bound_to=place_of_body(account_id, digest))
    columns = {
        **_EMPTY,
        **values,
        "account_id": account_id,
        "body_digest": digest,
        "remote_address": received.remote_address,
        "received_at": call.received_at,
        "due_at": call.received_at,
        "answered_ms": round((time.perf_counter() - received.started) * 1000),
    }
    raw = {"headers": dict(received.headers), "sealed_body": sealed, "key_id": key_id}
    return StoredCall([tuple(columns[name] for name in FIELDS)], raw)
