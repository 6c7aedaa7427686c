"""Store webhook calls: one SQL statement per call, durable when it returns, limited to STORE_MILLISECONDS.

PostgreSQL inserts the row and its raw body in one statement and leaves an existing row unchanged. SQLite allows no
INSERT inside WITH and uses a short transaction.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from ordersite.database import reconnect
from ordersite.database.busy_timeout import busy_timeout
from ordersite.lib.money import fen
from payments.lifecycle.updates import plausible_time
from payments.models import NotificationBody, PaymentNotification
from payments.models.notification import place_of_body
from payments.notifications.raw_call import ReceivedCall
from payments.providers.errors import Rejected
from payments.providers.types import AccountKeys, ParsedNotification

# Fail within a second: the provider retries, and a success after its timeout would be worth nothing.
STORE_MILLISECONDS = 800
# The whole call, on this side: a frozen server enforces no limit of its own.
ANSWER_SECONDS = 0.88

_NOTIFICATION = PaymentNotification._meta.db_table
_BODY = NotificationBody._meta.db_table
_VERIFIED, _REJECTED = PaymentNotification.CheckResult.VERIFIED, PaymentNotification.CheckResult.REJECTED
_RAW_COLUMNS = "notification_id, headers, body, key_id"
# Fields of a new row; the statement itself sets `attempts` and `last_error`.
FIELDS = (
    "account_id", "event_id", "check_result", "reject_code", "kind", "reference", "provider_reference", "amount",
    "currency", "refund_reference", "refund_amount", "refunded_total", "full_refund", "account_problem",
    "provider_state", "occurred_at", "body_digest", "keys_fingerprint", "remote_address", "received_at",
    "answered_ms", "outcome", "done_at", "due_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call ready for its INSERT: `values` in the order of FIELDS (money in fen), raw headers, sealed body and its key."""

    values: tuple[Any, ...]
    headers: Mapping[str, str]
    sealed_body: bytes
    key_id: str


def store(call: StoredCall) -> bool:
    """Store a call; return False when it was stored before. Raises django.db.Error."""
    if connection.vendor == "postgresql":
        return reconnect.first_of_request(partial(_store_at_once, call))
    with busy_timeout(STORE_MILLISECONDS), transaction.atomic():
        return _store_in_transaction(call)


def _store_at_once(call: StoredCall) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_one_statement(), [*_adapted(call.values), *_raw(call)])
        cursor.nextset()  # past SET LOCAL, which holds for this statement alone
        return cursor.fetchone() is not None


@cache
def _one_statement() -> str:
    limit = f"SET LOCAL statement_timeout = {STORE_MILLISECONDS}"
    body = f"INSERT INTO {_BODY} ({_RAW_COLUMNS}) SELECT id, %s::jsonb, %s, %s FROM n RETURNING 1"  # noqa: S608
    return f"{limit}; WITH n AS ({_insert()}) {body}"


@cache
def _insert() -> str:
    columns_of = {field.attname: str(field.column) for field in PaymentNotification._meta.concrete_fields}
    columns = ", ".join(columns_of[name] for name in FIELDS)
    marks = ", ".join(["%s"] * len(FIELDS))
    return (
        f"INSERT INTO {_NOTIFICATION} (attempts, last_error, {columns}) "  # noqa: S608
        f"VALUES (0, '', {marks}) ON CONFLICT DO NOTHING RETURNING id"
    )


def _store_in_transaction(call: StoredCall) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_insert(), _adapted(call.values))
        row = cursor.fetchone()
        if row is not None:
            cursor.execute(
                f"INSERT INTO {_BODY} ({_RAW_COLUMNS}) VALUES (%s, %s, %s, %s)",  # noqa: S608
                [row[0], *_raw(call)],
            )
    return row is not None


def _adapted(values: tuple[Any, ...]) -> list[Any]:
    adapt = connection.ops.adapt_datetimefield_value
    return [adapt(value) if isinstance(value, datetime) else value for value in values]


def _raw(call: StoredCall) -> tuple[str, bytes, str]:
    return json.dumps(dict(call.headers)), call.sealed_body, call.key_id


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
    return StoredCall(tuple(columns[name] for name in FIELDS), received.headers, sealed, key_id)
