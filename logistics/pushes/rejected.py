"""Store or count pushes that are not genuine, within bounds, so that nobody can fill the disk.

Rejected: the push was read and failed its verification; it is kept, and beyond a day's bound counted. Refused: it was not
read (too large, unknown token); it is only counted. A path that is counted never holds a token.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from logistics import cases
from logistics.carriers.interface import Carrier
from logistics.carriers.types import PushCall, PushRejected, PushReply
from logistics.models import CarrierAccount, CarrierNotification, RefusedPush, ShipmentException
from logistics.pushes.store import INBOX, ReceivedPush, rejected_push
from ordersite.queue.refused_calls import count_safely, may_keep

REJECTED_DAYS = 30
PREFIX = "/push/"
# The HTTP status of a push that was not read, or not stored. Any other is the carrier's own.
STATUS = {
    "unknown_account": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "too_large": 413,
    "compressed": 415,
    "unavailable": 503,
}
_KIND = ShipmentException.Kind.PUSH_REJECTED


def refuse(connector: Carrier, code: str) -> PushReply:
    """Count a push that was not read, and word the refusal as the carrier does."""
    count_safely(RefusedPush, f"{PREFIX}{connector.name}/", code)
    return failure(connector, code)


def failure(connector: Carrier, code: str, call: PushCall | None = None) -> PushReply:
    """The carrier's failure reply under the status of this code, in the form of the call where it was read."""
    reply = connector.push_reply_to(call, False) if call else connector.push_reply(False)
    return PushReply(STATUS[code], reply.content_type, reply.body)


def count_wrong_address() -> None:
    """Count a call to a push address that is none of ours."""
    count_safely(RefusedPush, f"{PREFIX}*", "unknown_account")


def reject(connector: Carrier, received: ReceivedPush, rejected: PushRejected) -> PushReply:
    """Store (or count) a push that failed verification, open a case, and answer with the carrier's refusal.

    Raises django.db.Error.
    """
    account_id, now = received.known.id, received.call.received_at
    if may_keep(_rejected(account_id).filter(received_at__gt=now - timedelta(days=1))):
        INBOX.store(rejected_push(received, rejected))
    else:
        count_safely(RefusedPush, f"{PREFIX}{connector.name}/{received.known.keys.slug}/", rejected.reason)
    report_rejections(account_id, code=rejected.reason, now=now)
    return connector.push_refusal(received.call, rejected)


def report_rejections(account_id: int, *, code: str, now: datetime) -> None:
    """Open a case about failing verifications: one at a time, and at most one per account and hour (UTC).

    Opening one also deletes the account's old rejected pushes, so that their number stays bounded without a cron job.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    if ShipmentException.objects.filter(kind=_KIND, account_id=account_id, created_at__gte=hour).exists():
        return
    with transaction.atomic():
        account = CarrierAccount.objects.get(pk=account_id)
        if cases.open_account_case(account, {"push_code": code}, kind=_KIND):
            forget_rejected(account_id, now=now)


def forget_rejected(account_id: int, *, now: datetime) -> None:
    """Delete the account's rejected pushes older than REJECTED_DAYS."""
    _rejected(account_id).filter(received_at__lt=now - timedelta(days=REJECTED_DAYS)).delete()


def _rejected(account_id: int) -> QuerySet[CarrierNotification]:
    return CarrierNotification.objects.rejected().filter(account_id=account_id).order_by()
