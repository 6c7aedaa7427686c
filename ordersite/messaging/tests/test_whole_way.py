"""From the event to the vendors of the sandbox, which check signatures, templates, tokens and keys by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orders.models import Order
from orders.tests.builders import build_order_in
from ordersite.messaging.models import BuyerMessage, MessageAccount
from ordersite.messaging.tests.builders import (
    build_announced,
    message_of,
    send,
    send_again,
    set_channels,
    state_of,
)
from ordersite.messaging.tests.vendors import add_account, fault, inbox_of
from ordersite.relay import run_relay
from sandbox.tests.running import Running

pytestmark = pytest.mark.django_db
OPENID, MAILBOX = "oReader-0001", "wang@buyer.example"


def paid() -> Order:
    """A paid order of a buyer that every channel reaches; only that it is paid is told."""
    return build_announced(openid=OPENID, email=MAILBOX)


@pytest.fixture
def both(box: Running, tmp_path: Path) -> None:
    """WeChat, then SMS."""
    for channel in ("wechat_template", "aliyun_sms"):
        add_account(box, tmp_path, channel)
    set_channels("wechat_template", "aliyun_sms", events_off=["order.created"])


def test_the_first_channel_brings_it(box: Running, both: None) -> None:
    order = paid()

    send()

    [got] = inbox_of(box, order)
    assert (got["channel"], got["recipient"]) == ("wechat_template", OPENID)
    assert got["params"]["amount2"] == "199.00"
    assert got["link"].endswith(f"/track/{order.tracking_token}/")
    assert state_of(order) == ("sent", "")


def test_who_does_not_follow_gets_an_sms(box: Running, both: None) -> None:
    fault(box, "wechat_template.send", "not_follower")
    order = paid()

    send()

    [got] = inbox_of(box, order)
    assert got["channel"] == "aliyun_sms"
    assert got["text"].startswith(f"【演示商店】您的订单{order.number}已付款199.00元")


def test_an_answer_that_is_lost_doubles_nothing(box: Running, both: None) -> None:
    fault(box, "wechat_template.send", "timeout", value=6)
    order = paid()

    send()
    assert state_of(order) == ("awaiting_retry", "unknown")
    send_again()

    [got] = inbox_of(box, order)
    assert got["copies"] == 2
    assert state_of(order) == ("sent", "")


def test_an_sms_that_may_have_gone_goes_again(box: Running, both: None) -> None:
    MessageAccount.objects.filter(channel="wechat_template").update(is_active=False)
    fault(box, "aliyun_sms.send", "bad_gateway")
    order = paid()

    send()
    send_again()

    assert len(inbox_of(box, order)) == 2
    message = message_of(order)
    assert (message.status, message.is_uncertain, message.may_be_twice) == ("sent", False, True)


def test_an_ended_token_is_renewed(box: Running, both: None) -> None:
    paid()
    send()
    fault(box, "wechat_template.send", "wrong_token")
    order = paid()

    send()

    assert [one["channel"] for one in inbox_of(box, order)] == ["wechat_template"]


def test_the_mail_shows_the_code(box: Running, tmp_path: Path) -> None:
    add_account(box, tmp_path, "email")
    set_channels("email", events_off=["order.paid"])
    order = paid()

    send()

    [got] = box.inbox(MAILBOX)
    assert f"订单 {order.number} 已收到" in json.dumps(got, ensure_ascii=False)


def test_the_command_prints_the_address(box: Running, tmp_path: Path) -> None:
    first = add_account(box, tmp_path, "tencent_sms")
    again = add_account(box, tmp_path, "tencent_sms")

    assert first == again
    assert "/push/message/tencent_sms/" in first
    account = MessageAccount.objects.get()
    secrets = [str(value) for value in account.open_secrets().values()]
    assert all(secret not in json.dumps(account.config) for secret in secrets)


def test_every_channel_tells_every_fact(box: Running, tmp_path: Path) -> None:
    add_account(box, tmp_path, "tencent_sms")
    set_channels("tencent_sms", most_a_day=50)
    order = build_order_in("refunded")
    run_relay()

    send()

    sent = BuyerMessage.objects.filter(order=order, status="sent").values_list("event", flat=True)
    assert list(sent) == ["order.refunded"]
