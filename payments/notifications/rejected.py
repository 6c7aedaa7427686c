"""Store or count webhook calls that are not genuine, within bounds, so that nobody can fill the disk.

Rejected: the call was read and failed its verification; it is kept, and beyond a day's bound counted. Refused: the call
was not read (too large, unknown account); it is only counted. At most one case an hour is opened for either.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import QuerySet

from ordersite.queue.refused_calls import count_safely, may_keep
from payments.cases.open import Case, fact_key, open_cases
from payments.models import PaymentAccount, PaymentException, PaymentNotification, RefusedCall
from payments.notifications.raw_call import ReceivedCall
from payments.notifications.store import INBOX, rejected_values, stored_call
from payments.providers.errors import SIGNATURE_PROBE, Rejected
from payments.providers.interface import Provider
from payments.providers.responses import NotificationResponse

REJECTED_DAYS = 30
PREFIX = "/notify/"
_SLUG = re.compile(r"[-\w]{1,40}", re.ASCII)
_MOST_SLUGS = 6

logger = logging.getLogger(__name__)


def has_room(account_id: int, *, now: datetime) -> bool:
    """Return whether this account may store another rejected call; a random sample beyond KEPT_WHOLE."""
    return may_keep(_rejected(account_id).filter(received_at__gt=now - timedelta(days=1)))


def _rejected(account_id: int) -> QuerySet[PaymentNotification]:
    return PaymentNotification.objects.rejected().filter(account_id=account_id).order_by()


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
    count_safely(RefusedCall, f"{PREFIX}{provider.name}/", code)
    return provider.failure(code)


def count_wrong_address(path: str) -> None:
    """Count a call to an address that is none of ours, under the account that its last parts name, if there is one."""
    slugs = _SLUG.findall(path)[:_MOST_SLUGS]
    try:
        accounts = list(PaymentAccount.objects.filter(slug__in=slugs))
    except DatabaseError as error:
        logger.warning("account not looked up: %s", error.__class__.__name__)
        accounts = []
    if not accounts:
        count_safely(RefusedCall, f"{PREFIX}*", "unknown_account")
        return
    named = max(accounts, key=lambda account: slugs.index(account.slug))
    count_safely(RefusedCall, f"{PREFIX}{named.provider}/{named.slug}/", "wrong_address")


def reject(provider: Provider, received: ReceivedCall, rejected: Rejected) -> NotificationResponse:
    """Store (or count) a call that failed verification, open a case, and answer with the failure response.

    A signature probe of the self-check opens no case. Raises django.db.Error.
    """
    account_id, now = received.known.id, received.call.received_at
    if has_room(account_id, now=now):
        INBOX.store(stored_call(received, rejected_values(rejected, now=now)))
    else:
        count_safely(RefusedCall, f"{PREFIX}{provider.name}/{received.known.keys.slug}/", rejected.code)
    if rejected.code == SIGNATURE_PROBE:
        logger.info("signature probe refused", extra={"account": received.known.keys.slug})
        forget_rejected(account_id, now=now)
    else:
        report_rejections(account_id, code=rejected.code, now=now)
    return provider.failure(rejected.code)
