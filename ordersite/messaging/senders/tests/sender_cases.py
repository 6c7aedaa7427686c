"""What the tests of several senders share: an account at the sandbox, a message, and what each failure has to mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ordersite.lib.http import Gateway
from ordersite.messaging.senders.interface import AddressKind, Sender
from ordersite.messaging.senders.registry import get_sender
from ordersite.messaging.senders.types import ChannelKeys, OutgoingMessage, SendError, Sent
from ordersite.outside_accounts.files import split
from sandbox.tests.running import Running

PHONE, OPENID, MAILBOX = "13800138000", "oReader-0001", "wang@buyer.example"
LINK = "https://shop.example/track/abc"
SMS_PARAMS = {"order_number": "A1", "amount": "9.00", "link": LINK}
WECHAT_PARAMS = {"character_string1": "A1", "amount2": "9.00", "thing3": "陶瓷杯"}
# Seconds that a test's gateway waits for an answer.
PATIENCE = 0.4
_ADDRESSES = {
    AddressKind.PHONE: PHONE, AddressKind.OPENID: OPENID, AddressKind.EMAIL: MAILBOX, AddressKind.NONE: "",
}  # fmt: skip


def keys_at(box: Running, channel: str, **changes: Any) -> ChannelKeys:
    """The shop's account of the channel at the sandbox, with other values for some keys."""
    values: Mapping[str, Any] = {**box.account(channel), **changes}
    config, secrets = split(get_sender(channel), values)
    return ChannelKeys(channel, f"demo-{channel}", config, secrets, "1")


def message_for(keys: ChannelKeys, key: str = "m-1", **changes: Any) -> OutgoingMessage:
    """The message of an order that was received."""
    kind = get_sender(keys.channel).address_kind
    message = OutgoingMessage(
        key=key,
        recipient=_ADDRESSES[kind],
        template_id=keys.config.get("templates", {}).get("order.created", ""),
        params=WECHAT_PARAMS if kind is AddressKind.OPENID else SMS_PARAMS,
        text="您的订单A1已收到。",
        subject="订单 A1 已收到",
        link=LINK,
    )
    return replace(message, **changes)


def send(keys: ChannelKeys, message: OutgoingMessage | None = None, *, token: str = "") -> Sent:
    """Send a message through the channel's sender."""
    sender: Sender = get_sender(keys.channel)
    return sender.send(message or message_for(keys), keys, Gateway(read=PATIENCE), token)


def error_of(keys: ChannelKeys, message: OutgoingMessage | None = None, *, token: str = "") -> SendError:
    """The error that sending raises."""
    with pytest.raises(SendError) as caught:
        send(keys, message, token=token)
    return caught.value
