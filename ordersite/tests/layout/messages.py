"""Messages to buyers in every state, with long words of vendors and doubts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from orders.models import Order
from ordersite.messaging.models import (
    BuyerMessage,
    MessageAccount,
    MessageAttempt,
    MessageEvent,
    MessageResend,
    MessageStatus,
    MessageTemplate,
    SubscriptionConsent,
)
from ordersite.messaging.models.message import WAITING


def build_messages(busy: Order, chief: User, *, sentence: str) -> None:
    """Build a message in each state and one with a long history, an account that a vendor refuses, and long texts."""
    account = MessageAccount.objects.get()
    MessageAccount.objects.update(
        unusable_since=timezone.now(), last_problem=f"out_of_funds: {sentence}"[:200], failures_in_a_row=5
    )
    events = [one for one in MessageEvent if one not in (MessageEvent.RULE, MessageEvent.NOTICE)]
    for number, status in enumerate(MessageStatus.values):
        _build(busy, account, status, event=events[number].value, reason="outdated")
    doubtful = _build(
        busy, account, "failed", event="order.refunded", reason="unknown", is_uncertain=True, may_be_twice=True,
        is_delivered=False, delivery_words=sentence[:200],
    )  # fmt: skip
    for result in ("unknown", "retry", "alarm"):
        MessageAttempt.objects.create(
            message=doubtful, account=account, channel="aliyun_sms", result=result, words=sentence[:200],
            vendor_id="9008151234567890^0", duration_ms=12_345,
        )  # fmt: skip
    MessageResend.objects.create(message=doubtful, by=chief, reason=(sentence * 3)[:200])
    SubscriptionConsent.objects.create(
        merchant=busy.merchant, digest="d" * 64, template_id="T1", message=doubtful
    )
    MessageTemplate.objects.create(
        merchant=busy.merchant, event="rule", name="important-customers-of-the-week", subject="{order_number}",
        text=f"{sentence}{{link}}", wechat="thing1: {products}\ncharacter_string2: {order_number}",
    )  # fmt: skip


def _build(busy: Order, account: MessageAccount, status: str, **more: Any) -> BuyerMessage:
    now = timezone.now()
    ended = status not in WAITING
    values = {
        "merchant": busy.merchant, "order": busy, "account": account, "key": f"{status}{more['event']}",
        "outside_id": f"m{status}{more['event']}"[:40], "recipient": "138****8000", "attempts": 3, "last_try_at": now,
        "next_try_at": None if ended else now, "settled_at": now if ended else None,
    }  # fmt: skip
    return BuyerMessage.objects.create(status=status, **values, **more)
