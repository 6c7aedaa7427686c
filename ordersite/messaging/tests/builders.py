"""Builders of message accounts, messages and orders whose buyers can be reached."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from orders.models import Order
from orders.tests.builders import build_merchant, build_order_in
from ordersite.messaging.accounts import save_account
from ordersite.messaging.models import BuyerMessage, MessageAccount, MessageAttempt, MessageSettings
from ordersite.messaging.senders.interface import AddressKind
from ordersite.messaging.senders.registry import SENDERS
from ordersite.messaging.sending.send import send_messages
from ordersite.messaging.tests.scripted import ScriptedSender
from ordersite.queue import outbox
from ordersite.relay import run_relay


def add_channel(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: AddressKind = AddressKind.PHONE, **facts: Any
) -> ScriptedSender:
    """Let a scripted vendor be a channel of this test."""
    sender = ScriptedSender(name, kind)
    for fact, value in facts.items():
        setattr(sender, fact, value)
    monkeypatch.setitem(SENDERS, name, sender)
    return sender


def build_message_account(channel: str, slug: str = "", **data: Any) -> MessageAccount:
    """Build an account of the demonstration shop."""
    merchant = build_merchant()
    return save_account(
        slug or channel, channel=channel, merchant=merchant, data={"password": "hidden-7f3a", **data}
    ).account


def set_channels(*channels: str, **more: Any) -> MessageSettings:
    """Set the order of the shop's channels; no quiet hours, so that tests do not depend on the time of day."""
    values = {"channels": list(channels), "quiet_from": None, "quiet_to": None, **more}
    return MessageSettings.objects.update_or_create(merchant=build_merchant(), defaults=values)[0]


def build_announced(
    status: str = "paid", *, openid: str = "oAbCdEfGh123456", email: str = "wang@example.com"
) -> Order:
    """Build an order of a buyer with phone, openid and e-mail, and deliver its events."""
    order = build_order_in(status)
    order.buyer.openid, order.buyer.email = openid, email
    order.buyer.save()
    with transaction.atomic():
        outbox.publish([outbox.Event("order.created", order.pk, order.created_at)])
    run_relay()
    return Order.objects.get(pk=order.pk)


def message_of(order: Order, event: str = "order.paid") -> BuyerMessage:
    return BuyerMessage.objects.get(order=order, event=event)


def state_of(order: Order, event: str = "order.paid") -> tuple[str, str]:
    """Status and reason of a message."""
    message = message_of(order, event)
    return str(message.status), message.reason


def send() -> int:
    """Send what is due."""
    return send_messages(seconds=2)


def send_again() -> int:
    """Send what waits, as if its pause and its accounts' were over."""
    now = timezone.now()
    BuyerMessage.objects.waiting().update(next_try_at=now, leased_until=None)
    MessageAccount.objects.update(next_call_at=None, leased_until=None)
    return send()


def results() -> list[tuple[str, str]]:
    """Channel and result of each attempt, in order."""
    return list(MessageAttempt.objects.order_by("pk").values_list("channel", "result"))
