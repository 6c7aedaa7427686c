"""Stores what vendors report of messages. A report that comes twice, or of a message that is not ours, changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ordersite.database import bulk
from ordersite.messaging.models import AttemptResult, BuyerMessage, MessageAttempt
from ordersite.messaging.senders.types import Report
from ordersite.messaging.sending.judge import COLUMNS

_REPORTED = (*COLUMNS, "is_delivered", "delivery_words")
_WORDS = 200


def store_reports(account_id: int, reports: Sequence[Report]) -> int:
    """Store the reports of one call of an account in one transaction; return how many messages they changed.

    A report of an attempt whose answer never arrived also says that the vendor had taken it.
    """
    with transaction.atomic():
        tries = _attempts_of(account_id, reports)
        messages = BuyerMessage.objects.filter(pk__in={one.message_id for one in tries.values()})
        by_id = {message.pk: message for message in messages.lock_in_order()}
        changed = dict[int, BuyerMessage]()
        for report in sorted(reports, key=lambda one: one.at):
            attempt = tries.get(report.vendor_id) or tries.get(report.key)
            message = by_id.get(attempt.message_id) if attempt else None
            # What an earlier message said, before a person sent it again, is not about this one.
            if attempt and message and attempt.outside_id == message.outside_id and _note(message, report):
                changed[message.pk] = message
        bulk.update_rows(BuyerMessage, list(changed.values()), _REPORTED)
        _confirm([attempt.pk for attempt in tries.values()])
    return len(changed)


def _attempts_of(account_id: int, reports: Sequence[Report]) -> dict[str, MessageAttempt]:
    """The newest attempt by the vendor's number, and by ours. One query."""
    numbers = {report.vendor_id for report in reports} - {""}
    keys = {report.key for report in reports} - {""}
    rows = MessageAttempt.objects.filter(
        Q(vendor_id__in=numbers) | Q(outside_id__in=keys), account_id=account_id
    ).order_by("pk")
    found: dict[str, MessageAttempt] = {}
    for row in rows:
        found[row.outside_id] = row
        if row.vendor_id:
            found[row.vendor_id] = row
    return found


def _note(message: BuyerMessage, report: Report) -> bool:
    """Note one report on its locked message; returns whether it said anything new."""
    words = report.code[:_WORDS]
    if (message.is_delivered, message.delivery_words) == (report.is_delivered, words):
        return False
    message.is_delivered, message.delivery_words = report.is_delivered, words
    if message.is_uncertain or message.is_waiting:
        message.succeed(timezone.now())
    return True


def _confirm(attempt_ids: Sequence[int]) -> None:
    """What was reported had been taken, whatever we heard of it."""
    unheard = MessageAttempt.objects.filter(
        pk__in=attempt_ids, result__in=(AttemptResult.STARTED.value, AttemptResult.UNKNOWN.value)
    )
    unheard.update(result=AttemptResult.SENT.value)
