"""Storing calls: one statement for a call, durable when it returns, and never longer than about a second.

On PostgreSQL the call and its raw body are one INSERT; a call that is there already is left as it is. On SQLite,
which takes no INSERT inside WITH, it is a short transaction.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ordersite.rails import living
from payments.exceptions import Case, fact_key, raise_exceptions
from payments.models import NotificationBody, PaymentException, PaymentNotification, RefusedCall

# A provider hears within a second that we cannot store; it asks again, and a later success would be worth nothing.
STORE_MILLISECONDS = 800
# What one account's rejected calls may fill in a day: 500 rows of at most 64 KiB. The first ones are all kept; of what
# comes beyond, one in so many, so that a flood of the morning does not hide a wrong key of the afternoon. The others
# are counted.
REJECTED_PER_DAY = 500
KEPT_WHOLE = 400
SAMPLED = 50
REJECTED_DAYS = 30

_NOTIFICATION = PaymentNotification._meta.db_table
_BODY = NotificationBody._meta.db_table
_REFUSED = RefusedCall._meta.db_table
# Everything that a new row holds; what a queue row begins with stands in the statement itself.
COLUMNS = (
    "account_id", "event_id", "verdict", "reject_code", "kind", "reference", "provider_reference", "amount",
    "currency", "refund_reference", "refund_amount", "refunded_total", "full_refund", "account_problem",
    "provider_state", "occurred_at", "body_digest", "remote_address", "received_at", "answered_ms", "outcome",
    "done_at", "due_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it is kept: `values` in the order of COLUMNS (money in fen), headers and body as they came."""

    values: tuple[Any, ...]
    headers: Mapping[str, str]
    body: bytes


def store(call: Call) -> bool:
    """Keep a call; False when it is there already. Either way it is durable. Raises database errors."""
    if connection.vendor == "postgresql":
        return living.first_of_request(partial(_store_at_once, call))
    with _short_wait(), transaction.atomic():
        return _store_in_turn(call)


def _store_at_once(call: Call) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_one_statement(), [*_adapted(call.values), _json(call.headers), call.body])
        cursor.nextset()  # past SET LOCAL, which holds for this statement alone
        return cursor.fetchone() is not None


@cache
def _one_statement() -> str:
    limit = f"SET LOCAL statement_timeout = {STORE_MILLISECONDS}"
    body = f"INSERT INTO {_BODY} (notification_id, headers, body) SELECT id, %s::jsonb, %s FROM n RETURNING 1"  # noqa: S608
    return f"{limit}; WITH n AS ({_insert()}) {body}"


@cache
def _insert() -> str:
    marks = ", ".join(["%s"] * len(COLUMNS))
    return (
        f"INSERT INTO {_NOTIFICATION} (attempts, last_error, {', '.join(COLUMNS)}) "  # noqa: S608
        f"VALUES (0, '', {marks}) ON CONFLICT DO NOTHING RETURNING id"
    )


def _store_in_turn(call: Call) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_insert(), _adapted(call.values))
        row = cursor.fetchone()
        if row is not None:
            cursor.execute(
                f"INSERT INTO {_BODY} (notification_id, headers, body) VALUES (%s, %s, %s)",  # noqa: S608
                [row[0], _json(call.headers), call.body],
            )
    return row is not None


def _adapted(values: tuple[Any, ...]) -> list[Any]:
    adapt = connection.ops.adapt_datetimefield_value
    return [adapt(value) if isinstance(value, datetime) else value for value in values]


def _json(headers: Mapping[str, str]) -> str:
    return json.dumps(dict(headers))


@contextmanager
def _short_wait() -> Iterator[None]:
    """SQLite: wait no longer for the one writer's turn than a provider may wait for us."""
    usual = int(connection.settings_dict["OPTIONS"].get("timeout", 5) * 1000)
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {STORE_MILLISECONDS}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")


def has_room(account_id: int, *, now: datetime) -> bool:
    """Whether this account keeps another rejected call: a bound on what anybody can make us store."""
    recent = _rejected(account_id).filter(received_at__gt=now - timedelta(days=1))
    kept = recent[:REJECTED_PER_DAY].count()
    return kept < REJECTED_PER_DAY and (kept < KEPT_WHOLE or secrets.randbelow(SAMPLED) == 0)


def _rejected(account_id: int) -> QuerySet[PaymentNotification]:
    verdict = PaymentNotification.Verdict.REJECTED
    return PaymentNotification.objects.filter(account_id=account_id, verdict=verdict).order_by()


def count_refused(path: str, reason: str) -> None:
    """Count a call that is not kept. `path` must be one of few: the table grows by a row per path, reason and day."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_REFUSED} (day, path, reason, calls, last_at) VALUES (%s, %s, %s, 1, %s) "  # noqa: S608
            f"ON CONFLICT (day, path, reason) DO UPDATE SET calls = {_REFUSED}.calls + 1, last_at = excluded.last_at",
            [timezone.localdate(now), path[:120], reason[:30], connection.ops.adapt_datetimefield_value(now)],
        )


def report_rejections(account_id: int, *, code: str, now: datetime) -> None:
    """At most one case per account and hour that its calls fail the checks, however often they do.

    Whoever reports also forgets the account's rejected calls of long ago: together with the day's bound, nobody can
    fill the disk.
    """
    key = fact_key(account_id, now.strftime("%Y%m%d%H"))
    kind = PaymentException.Kind.BAD_SIGNATURES
    if PaymentException.objects.filter(kind=kind, dedup_key=key).exists():
        return
    with transaction.atomic():
        raise_exceptions([Case(kind=kind, dedup_key=key, account_id=account_id, detail={"code": code})])
        forget_rejected(account_id, now=now)


def forget_rejected(account_id: int, *, now: datetime) -> None:
    """Delete the account's rejected calls of long ago."""
    _rejected(account_id).filter(received_at__lt=now - timedelta(days=REJECTED_DAYS)).delete()
