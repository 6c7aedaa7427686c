"""Gives messages whose account was switched off, or cannot be used, to another account of their shop."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ordersite.messaging.models import BuyerMessage, MessageSettings, MessageStatus
from ordersite.messaging.routes import ShopRoutes, shops_of, wanted_of
from ordersite.messaging.sending.doubts import is_final
from ordersite.messaging.sending.judge import TOO_LATE, end, wait, write

BATCH = 200
_LATER = timedelta(minutes=5)


def reroute() -> int:
    """Look at up to BATCH due messages whose account takes none; return how many have another one now."""
    now = timezone.now()
    closed = Q(account__is_active=False) | Q(
        account__unusable_since__isnull=False, account__next_call_at__gt=now
    )
    due = BuyerMessage.objects.due(now).filter(closed)
    ids, moved = list(due.values_list("pk", flat=True)[:BATCH]), 0
    if not ids:
        return 0
    with transaction.atomic():
        # Judged again with the lock: another process may have moved it meanwhile, and a sender may have it.
        messages = due.filter(pk__in=ids).lock_in_order()
        shops = shops_of({one.merchant_id for one in messages})
        for message in messages:
            shop = shops.get(message.merchant_id) or ShopRoutes(
                MessageSettings(merchant_id=message.merchant_id), ()
            )
            if message.status == MessageStatus.IN_FLIGHT:  # its process died with the attempt
                message.is_uncertain = True
            is_over = is_final(message)
            account = None if message.is_for_staff or is_over else shop.account_for(wanted_of(message))
            if account is not None and account.pk != message.account_id:
                message.account = account
                moved += 1
            elif is_over or now > message.queued_at + TOO_LATE:
                end(message, "unknown" if message.is_uncertain else "no_channel", now)
            else:
                wait(message, now + _LATER, "no_channel")
        write(messages)
    return moved
