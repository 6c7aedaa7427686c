"""Queues notices to groups of staff: a robot of DingTalk, Feishu or WeCom. Sent as messages to buyers are."""

from __future__ import annotations

from django.utils import timezone

from ordersite.messaging.compose import insert, new_outside_id
from ordersite.messaging.models import BuyerMessage, MessageAccount, MessageEvent

_KEY = 200


def queue_notice(account: MessageAccount, text: str, key: str) -> bool:
    """Queue a notice, once for each `key` of the account; return whether it is a new one.

    Write neither secrets nor personal data into the text: it is stored and shown as it is.
    """
    now = timezone.now()
    row = BuyerMessage(
        merchant_id=account.merchant_id,
        event=MessageEvent.NOTICE.value,
        key=f"{account.merchant_id}/notice:{account.pk}/{key}"[:_KEY],
        outside_id=new_outside_id(),
        text=text,
        channels=[account.channel],
        account_id=account.pk,
        created_at=now,
        queued_at=now,
        next_try_at=now,
    )
    return bool(insert([row]))
