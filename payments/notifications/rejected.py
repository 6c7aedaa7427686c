"""Store or count webhook calls that are not genuine, within bounds, so that nobody can fill the disk.

Rejected: the call was read and failed its verification; it is kept, and beyond a day's bound counted. Refused: the call
was not read (too large, unknown account); it is only counted. At most one case an hour is opened for either.
"""

from __future__ import annotations

import logging
import re
import secrets
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from payments.cases.open import Case, fact_key, open_cases
from payments.models import PaymentAccount, PaymentException, PaymentNotification, RefusedCall
from payments.notifications import store
from payments.notifications.raw_call import ReceivedCall
from payments.notifications.store import rejected_values, stored_call
from payments.providers.errors import SIGNATURE_PROBE, Rejected
from payments.providers.interface import Provider
from payments.providers.responses import NotificationResponse

# An account stores at most 500 rejected calls a day, of at most 64 KiB each. The first 400 are all stored, then one in
# 50, so that a flood in the morning does not hide a wrong key in the afternoon. The others are only counted.
REJECTED_PER_DAY, KEPT_WHOLE, SAMPLED = 500, 400, 50
REJECTED_DAYS = 30
PREFIX = "/notify/"
_REFUSED = RefusedCall._meta.db_table
_SLUG = re.compile(r"[-\w]{1,40}", re.ASCII)
_MOST_SLUGS = 6

logger = logging.getLogger(__name__)


def has_room(account_id: int, *, now: datetime) -> bool:
    """Return whether this account may store another rejected call; a random sample beyond KEPT_WHOLE."""
    recent = _rejected(account_id).filter(received_at__gt=now - timedelta(days=1))
    kept = recent[:REJECTED_PER_DAY].count()
    return kept < REJECTED_PER_DAY and (kept < KEPT_WHOLE or secrets.randbelow(SAMPLED) == 0)


def _rejected(account_id: int) -> QuerySet[PaymentNotification]:
    return PaymentNotification.objects.rejected().filter(account_id=account_id).order_by()


def count_refused(path: str, reason: str) -> None:
    """Count a call that is not stored. `path` must come from a small set: each path, reason and day is a row."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_REFUSED} (day, path, reason, calls, last_at) VALUES (%s, %s, %s, 1, %s) "  # noqa: S608
            f"ON CONFLICT (day, path, reason) DO UPDATE SET calls = {_REFUSED}.calls + 1, last_at = excluded.last_at",
            [timezone.localdate(now), path[:120], reason[:30], connection.ops.adapt_datetimefield_value(now)],
        )


def report_rejections(account_id: int, *, code: str, now: datetime) -> None:
    """Open a case about failing verifications, at most one per account and hour (UTC).

    Opening one also deletes the account's old rejected calls, so that their number stays bounded without a cron job.
    """
    key = fact_key(account_id, now.strftime("%Y%m%d%H"))
    kind = PaymentException.Kind.BAD_SIGNATURES
    if PaymentException.objects.filter(kind=kind, dedup_key=key).exists():
        return
    with transaction.atomic():
        open_cases([Case(kind=kind, dedup_key=key, account_id=account_id, detail={"code": code})])
        forget_rejected(account_id, now=now)


def forget_rejected(account_id: int, *, now: datetime) -> None:
    """Delete the account's rejected calls older than REJECTED_DAYS."""
    _rejected(account_id).filter(received_at__lt=now - timedelta(days=REJECTED_DAYS)).delete()


def refuse(provider: Provider, code: str) -> NotificationResponse:
    """Count a call that was not read and answer with the provider's failure response."""
    count_safely(f"{PREFIX}{provider.name}/", code)
    return provider.failure(code)


def count_safely(path: str, code: str) -> None:
    """Count a refused call; log a database error instead of raising, so that the response stays the same."""
    try:
        count_refused(path, code)
    except DatabaseError as error:
        logger.warning("refused call not counted: %s", error.__class__.__name__, extra={"code": code})


def count_wrong_address(path: str) -> None:
    """Count a call to an address that is none of ours, under the account that its last parts name, if there is one."""
    slugs = _SLUG.findall(path)[:_MOST_SLUGS]
    try:
        accounts = list(PaymentAccount.objects.filter(slug__in=slugs))
    except DatabaseError as error:
        logger.warning("account not looked up: %s", error.__class__.__name__)
        accounts = []
    if not accounts:
        count_safely(f"{PREFIX}*", "unknown_account")
        return
    named = max(accounts, key=lambda account: slugs.index(account.slug))
    count_safely(f"{PREFIX}{named.provider}/{named.slug}/", "wrong_address")


def reject(provider: Provider, received: ReceivedCall, rejected: Rejected) -> NotificationResponse:
    """Store (or count) a call that failed verification, open a case, and answer with the failure response.

    A signature probe of the self-check opens no case. Raises django.db.Error.
    """
    account_id, now = received.known.id, received.call.received_at
    if has_room(account_id, now=now):
        store.store(stored_call(received, rejected_values(rejected, now=now)))
    else:
        count_safely(f"{PREFIX}{provider.name}/{received.known.keys.slug}/", rejected.code)
    if rejected.code == SIGNATURE_PROBE:
        logger.info("signature probe refused", extra={"account": received.known.keys.slug})
        forget_rejected(account_id, now=now)
    else:
        report_rejections(account_id, code=rejected.code, now=now)
    return provider.failure(rejected.code)
