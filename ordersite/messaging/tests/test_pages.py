"""The back office of messages: texts are checked, secrets hidden, a message is sent again with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from orders.tests.builders import build_merchant
from ordersite.messaging.models import (
    BuyerMessage,
    MessageAccount,
    MessageResend,
    MessageSettings,
    MessageTemplate,
    StopListEntry,
)
from ordersite.messaging.senders.types import SendError
from ordersite.messaging.stop_list import stop
from ordersite.messaging.tests.builders import (
    add_channel,
    build_announced,
    build_message_account,
    message_of,
    send,
    send_again,
    set_channels,
)
from ordersite.messaging.tests.scripted import ScriptedSender

pytestmark = pytest.mark.django_db
ADMIN = "/admin/messaging"


@pytest.fixture
def sms(monkeypatch: pytest.MonkeyPatch) -> ScriptedSender:
    sender = add_channel(monkeypatch, "sms_one")
    build_message_account("sms_one")
    set_channels("sms_one")
    return sender


def person(role: str) -> Client:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def text_form(**values: Any) -> dict[str, Any]:
    return {
        "merchant": build_merchant().pk,
        "event": "order.paid",
        "name": "",
        "language": "zh-hans",
        "subject": "",
        "text": "订单{order_number}已付款",
        "wechat": "",
        **values,
    }


def test_a_text_is_saved_and_used(sms: ScriptedSender) -> None:
    answer = person("operations").post(f"{ADMIN}/messagetemplate/add/", text_form())
    assert answer.status_code == 302

    order = build_announced()
    send()

    assert f"订单{order.number}已付款" in [one.text for one in sms.seen]


@pytest.mark.parametrize(
    "values",
    [
        {"text": "{order_number.__class__}"},
        {"text": "{carrier}"},
        {"subject": "{secret}"},
        {"wechat": "thing1: {merchant.secrets}"},
        {"wechat": "nothing"},
        {"name": "vip"},
        {"event": "rule"},
        {"event": "staff.notice"},
    ],
)
def test_a_wrong_text_is_not_saved(values: dict[str, Any]) -> None:
    answer = person("operations").post(f"{ADMIN}/messagetemplate/add/", text_form(**values))

    assert answer.status_code == 200
    assert not MessageTemplate.objects.exists()


def test_the_preview_counts(sms: ScriptedSender) -> None:
    text = MessageTemplate.objects.create(
        merchant=build_merchant(),
        event="order.paid",
        text="{order_number}" + "字" * 60,
        wechat="thing1: {products}",
    )

    page = person("viewer").get(f"{ADMIN}/messagetemplate/{text.pk}/change/").content.decode()

    assert "20261130-0001" in page
    assert "73" in page
    assert "thing1: 保温杯 500ml" in page


def test_settings_keep_the_order_of_channels() -> None:
    form = {
        "merchant": build_merchant().pk,
        "is_on": "on",
        "language": "en",
        "channels_0": "email",
        "channels_1": "aliyun_sms",
        "events_off": ["shipment.moving"],
        "quiet_from": "22:00",
        "quiet_to": "08:00",
        "time_zone": "Asia/Urumqi",
        "most_a_day": "5",
    }

    answer = person("operations").post(f"{ADMIN}/messagesettings/add/", form)

    assert answer.status_code == 302
    row = MessageSettings.objects.get()
    assert (row.channels, row.events_off, row.language) == (
        ["email", "aliyun_sms"],
        ["shipment.moving"],
        "en",
    )


def test_an_account_shows_no_secret(sms: ScriptedSender) -> None:
    account = MessageAccount.objects.get()

    page = person("operations").get(f"{ADMIN}/messageaccount/{account.pk}/change/").content.decode()

    assert "hidden-7f3a" not in page
    assert account.push_token_digest not in page
    assert account.sealed_secrets not in page


def test_a_message_is_sent_again_with_a_reason(sms: ScriptedSender) -> None:
    sms.answers.extend([SendError("unknown", "time-out")] * 3)
    order = build_announced("pending")
    for _ in range(3):
        send_again()
    message = message_of(order, "order.created")
    agent = person("agent")
    address = f"{ADMIN}/buyermessage/{message.pk}/do/resend/"

    assert agent.post(address, {"reason": ""}).status_code == 200
    assert agent.post(address, {"reason": "买家说没收到"}).status_code == 302
    send()

    message.refresh_from_db()
    assert (message.status, message.may_be_twice, message.attempts) == ("sent", True, 4)
    assert MessageResend.objects.values_list("by__username", "reason").get() == ("agent", "买家说没收到")
    assert len({one.key for one in sms.seen}) == 2
    page = agent.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "买家说没收到" in page
    assert "138****8000" in page


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        ("blocked", "发送失败", "收件人拒收消息，或被渠道列入黑名单"),
        ("stopped", "未发送", "该地址在拒收名单中"),
    ],
)
def test_the_orders_page_says_why_none_arrived(
    sms: ScriptedSender, code: str, state: str, words: str
) -> None:
    sms.answers.append(SendError("blocked", "isv.MOBILE_IN_BLACK"))
    if code == "stopped":
        stop(build_merchant(), kind="phone", address="13800138000", reason="x", by=None)
    order = build_announced("pending")
    send()
    again = f"{ADMIN}/buyermessage/{message_of(order, 'order.created').pk}/do/resend/"
    address = f"/admin/orders/order/{order.pk}/change/"

    page, seen_by_viewer = (person(role).get(address).content.decode() for role in ("agent", "viewer"))

    for shown in (page, seen_by_viewer):
        assert "发给买家的消息" in shown
        assert state in shown
        assert words in shown
    assert again in page
    assert again not in seen_by_viewer


def test_a_viewer_sends_nothing_again(sms: ScriptedSender) -> None:
    order = build_announced("pending")
    send()
    message = message_of(order, "order.created")

    answer = person("viewer").post(f"{ADMIN}/buyermessage/{message.pk}/do/resend/", {"reason": "x"})

    assert answer.status_code == 403
    assert not MessageResend.objects.exists()
    assert message_of(order, "order.created").attempts == 1


def test_a_waiting_message_is_not_queued_twice(sms: ScriptedSender) -> None:
    order = build_announced("pending")
    message = message_of(order, "order.created")

    person("agent").post(f"{ADMIN}/buyermessage/{message.pk}/do/resend/", {"reason": "x"})

    assert not MessageResend.objects.exists()


def test_the_stop_list_keeps_no_address(sms: ScriptedSender) -> None:
    agent = person("agent")
    form = {
        "merchant": build_merchant().pk,
        "kind": "phone",
        "address": "138 0013 8000",
        "reason": "买家要求",
    }

    assert agent.post(f"{ADMIN}/stoplistentry/add/", form).status_code == 302
    build_announced("pending")
    send()

    assert sms.seen == []
    assert "13800138000" not in str(StopListEntry.objects.values().get())
    assert BuyerMessage.objects.get().reason == "stopped"


def test_a_supervisor_takes_an_address_off(sms: ScriptedSender) -> None:
    entry = StopListEntry.objects.create(
        merchant=build_merchant(), kind="phone", digest="ab", masked="138****8000", reason="x"
    )

    answer = person("supervisor").post(f"{ADMIN}/stoplistentry/{entry.pk}/do/allow/", {"reason": "买家要求"})

    assert answer.status_code == 302
    assert not StopListEntry.objects.exists()
