"""One fact, one message: sent, tried again, given to the next channel, or left to a person."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orders import machine
from orders.models import Order
from orders.tests.builders import move
from ordersite.health.models import Alert
from ordersite.messaging.addresses import digest_of
from ordersite.messaging.models import (
    BuyerMessage,
    MessageAccount,
    StopListEntry,
    SubscriptionConsent,
)
from ordersite.messaging.senders.interface import AddressKind
from ordersite.messaging.senders.registry import SENDERS
from ordersite.messaging.senders.types import SendError
from ordersite.messaging.sending.account_run import throttle_of
from ordersite.messaging.sending.consents import record_consents
from ordersite.messaging.sending.judge import judge
from ordersite.messaging.sending.record import MOST_FAILURES
from ordersite.messaging.sending.reroute import reroute
from ordersite.messaging.staff import queue_notice
from ordersite.messaging.tests.builders import (
    add_channel,
    build_announced,
    build_message_account,
    message_of,
    results,
    send,
    send_again,
    set_channels,
    state_of,
)
from ordersite.messaging.tests.scripted import ScriptedSender

pytestmark = pytest.mark.django_db


def test_a_paid_order_is_announced_once(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced()

    assert send() == 2
    assert send_again() == 0

    created, paid = sorted(sms.seen, key=lambda one: "付款" in one.text)
    link = f"/track/{order.tracking_token}/"
    assert created.text.startswith(f"您的订单{order.number}已收到，共199.00元。")
    assert paid.text.startswith(f"您的订单{order.number}已付款199.00元")
    assert paid.text.endswith(link)
    assert paid.recipient == "13800138000"
    assert mail.seen == []
    message = message_of(order)
    assert (message.status, message.attempts, message.recipient) == ("sent", 1, "138****8000")
    assert message.next_try_at is None
    assert "13800138000" not in str(BuyerMessage.objects.values().get(pk=message.pk))


def test_a_refusing_channel_gives_way(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced()
    sms.answers.extend([SendError("blocked", "isv.MOBILE_IN_BLACK"), SendError("blocked")])

    send()

    assert state_of(order) == ("sent", "")
    assert [one.recipient for one in mail.seen] == ["wang@example.com"] * 2
    assert sorted(results()) == [("mail_two", "sent")] * 2 + [("sms_one", "given_up")] * 2
    assert message_of(order).given_up == ["sms_one"]


def test_the_code_of_the_page_comes_by_mail(mail: ScriptedSender, sms: ScriptedSender) -> None:
    set_channels("mail_two")

    order = build_announced("pending")
    send()

    [one] = mail.seen
    [image] = one.inline_images
    assert one.subject == f"订单 {order.number} 已收到"
    assert f"cid:{image.content_id}" in one.html
    assert image.content.startswith(b"\x89PNG")
    assert f'href="{one.link}"' in one.html


def test_a_busy_vendor_is_tried_again(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced("pending")
    sms.answers.extend([SendError("busy", "503")] * MOST_FAILURES)

    for _ in range(MOST_FAILURES - 1):
        send_again()
    assert state_of(order, "order.created") == ("awaiting_retry", "busy")
    send_again()

    assert state_of(order, "order.created") == ("sent", "")
    assert (len(sms.seen), len(mail.seen)) == (MOST_FAILURES, 1)


def test_an_unusable_account_alarms(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced("pending")
    sms.answers.append(SendError("out_of_funds", "isv.AMOUNT_NOT_ENOUGH"))

    send()

    assert state_of(order, "order.created") == ("sent", "")
    account = MessageAccount.objects.get(slug="sms_one")
    assert account.is_circuit_open
    assert account.last_problem == "out_of_funds: isv.AMOUNT_NOT_ENOUGH"
    assert Alert.objects.get(kind="message_account").subject == "sms_one"

    later = build_announced("pending")
    send()
    assert message_of(later, "order.created").account.slug == "mail_two"  # type: ignore[union-attr]


def test_an_alarm_heals_with_the_next_message(sms: ScriptedSender) -> None:
    build_announced("pending")
    sms.answers.append(SendError("bad_keys", "403"))
    send()
    assert Alert.objects.get().closed_at is None

    send_again()

    assert Alert.objects.get().closed_at is not None
    assert MessageAccount.objects.get().last_problem == ""


def test_a_message_on_its_way_keeps_its_account(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced("pending")
    account = MessageAccount.objects.get(slug="sms_one")
    BuyerMessage.objects.update(leased_until=timezone.now() + timedelta(minutes=1))
    judge(account, sms, [message_of(order, "order.created").pk])
    MessageAccount.objects.filter(pk=account.pk).update(is_active=False)

    assert reroute() == 0

    message = message_of(order, "order.created")
    assert (message.status, message.account_id, message.is_uncertain) == ("in_flight", account.pk, False)


def test_a_leased_account_is_left_alone(sms: ScriptedSender) -> None:
    build_announced()
    assert throttle_of(sms).take(MessageAccount.objects.get())

    assert send() == 0
    assert sms.seen == []


def test_a_closed_order_is_not_confirmed(sms: ScriptedSender) -> None:
    order = build_announced("pending")
    move(order, "close", machine.TIMEOUT)

    send()

    assert state_of(order, "order.created") == ("suppressed", "outdated")
    assert sms.seen == []


def test_old_news_is_none(sms: ScriptedSender) -> None:
    order = build_announced("pending")
    BuyerMessage.objects.update(queued_at=timezone.now() - timedelta(hours=49))

    send()

    assert state_of(order, "order.created") == ("failed", "too_late")


def test_the_stop_list_is_per_address(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced("pending")
    digest = digest_of("phone", "+86 138-0013-8000")
    StopListEntry.objects.create(
        merchant=order.merchant, kind="phone", digest=digest, masked="138", reason="x"
    )

    send()

    assert (len(sms.seen), len(mail.seen)) == (0, 1)


def test_the_stop_list_ends_a_message(sms: ScriptedSender) -> None:
    order = build_announced("pending")
    digest = digest_of("phone", "13800138000")
    StopListEntry.objects.create(
        merchant=order.merchant, kind="phone", digest=digest, masked="138", reason="x"
    )

    send()

    assert state_of(order, "order.created") == ("suppressed", "stopped")
    assert sms.seen == []


def test_a_person_gets_no_more_than_the_cap(sms: ScriptedSender) -> None:
    set_channels("sms_one", most_a_day=1)
    order = build_announced()

    send()

    assert len(sms.seen) == 1
    waiting = BuyerMessage.objects.get(order=order, status="queued")
    assert waiting.reason == "cap"
    assert waiting.next_try_at is not None
    assert waiting.next_try_at > timezone.now()


def test_the_vendors_cap_holds_too(sms: ScriptedSender) -> None:
    sms.most_a_day_per_number = 1
    build_announced()

    send()

    assert len(sms.seen) == 1


def test_a_token_is_fetched_once(sms: ScriptedSender) -> None:
    sms.needs_token = True
    build_announced()

    send()

    assert sms.fetched == 1
    assert set(sms.tokens) == {"token-1"}
    assert "token-1" not in MessageAccount.objects.get().sealed_token


def test_a_refused_token_is_renewed_once(sms: ScriptedSender) -> None:
    sms.needs_token = True
    build_announced("pending")
    send()
    sms.fetched = 7  # the vendor ended the token that we have

    order = build_announced()
    send()

    assert sms.fetched == 8
    assert state_of(order) == ("sent", "")
    assert set(BuyerMessage.objects.values_list("status", flat=True)) == {"sent"}


def test_one_consent_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    wechat = add_channel(monkeypatch, "wechat_subscribe", AddressKind.OPENID, uses_templates=True)
    build_message_account("wechat_subscribe", templates={"order.created": "T1", "order.paid": "T1"})
    set_channels("wechat_subscribe")
    order = build_announced()
    record_consents(order, ["order.created"], times=1)

    send()

    assert len(wechat.seen) == 1
    assert wechat.seen[0].template_id == "T1"
    assert SubscriptionConsent.objects.get().message is not None
    assert set(BuyerMessage.objects.values_list("status", "reason")) == {
        ("sent", ""),
        ("suppressed", "no_consent"),
    }


def test_a_refused_message_gives_its_consent_back(monkeypatch: pytest.MonkeyPatch) -> None:
    wechat = add_channel(monkeypatch, "wechat_subscribe", AddressKind.OPENID, uses_templates=True)
    build_message_account("wechat_subscribe", templates={"order.created": "T1"})
    set_channels("wechat_subscribe")
    record_consents(build_announced("pending"), ["order.created"], times=1)
    wechat.answers.append(SendError("bad_content", "47003"))

    send()

    assert SubscriptionConsent.objects.get().message is None


def test_an_account_that_is_off_gives_way(sms: ScriptedSender, mail: ScriptedSender) -> None:
    order = build_announced("pending")
    MessageAccount.objects.filter(slug="sms_one").update(is_active=False)

    send()

    assert state_of(order, "order.created") == ("sent", "")
    assert (len(sms.seen), len(mail.seen)) == (0, 1)


def test_a_notice_goes_to_its_robot(monkeypatch: pytest.MonkeyPatch) -> None:
    robot = add_channel(monkeypatch, "robot", AddressKind.NONE, is_for_staff=True)
    account = build_message_account("robot")

    assert queue_notice(account, "3 个订单等待发货", "rule-1")
    assert not queue_notice(account, "3 个订单等待发货", "rule-1")
    send()

    assert [one.text for one in robot.seen] == ["3 个订单等待发货"]
    assert BuyerMessage.objects.get().status == "sent"


def test_a_robot_is_no_way_to_a_buyer(monkeypatch: pytest.MonkeyPatch) -> None:
    add_channel(monkeypatch, "robot", AddressKind.NONE, is_for_staff=True)
    build_message_account("robot")
    set_channels("robot")

    build_announced()

    assert not BuyerMessage.objects.exists()
    assert SENDERS["robot"].is_for_staff
    assert Order.objects.get().status == "paid"
