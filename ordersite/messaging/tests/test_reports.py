"""What vendors report: stored once, believed for its account alone, and it ends doubts."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from logistics.models import RefusedPush
from orders.models import Order
from ordersite.messaging.accounts import push_url_of
from ordersite.messaging.models import BuyerMessage, MessageAccount, MessageAttempt
from ordersite.messaging.senders.types import SendError
from ordersite.messaging.tests.builders import (
    add_channel,
    build_announced,
    build_message_account,
    message_of,
    send,
    set_channels,
)
from ordersite.messaging.tests.scripted import ScriptedSender

pytestmark = pytest.mark.django_db


@pytest.fixture
def sms(monkeypatch: pytest.MonkeyPatch) -> ScriptedSender:
    sender = add_channel(monkeypatch, "sms_one")
    build_message_account("sms_one")
    set_channels("sms_one")
    return sender


def path(account: MessageAccount | None = None) -> str:
    return "/push" + push_url_of(account or MessageAccount.objects.get()).partition("/push")[2]


def report(*lines: str, at: str = "") -> Any:
    return Client().post(at or path(), data="\n".join(lines), content_type="text/plain")


def build_sent() -> Order:
    order = build_announced("pending")
    send()
    return order


def test_a_report_is_stored_once(sms: ScriptedSender) -> None:
    order = build_sent()
    number = MessageAttempt.objects.get().vendor_id

    first, second = report(f"{number} - delivered"), report(f"{number} - delivered")

    assert (first.status_code, first.content) == (200, b"got it")
    assert second.status_code == 200
    message = message_of(order, "order.created")
    assert (message.status, message.is_delivered, message.delivery_words) == ("sent", True, "DELIVERED")


def test_a_failed_delivery_is_shown(sms: ScriptedSender) -> None:
    order = build_sent()

    report(f"{MessageAttempt.objects.get().vendor_id} - failed")

    message = message_of(order, "order.created")
    assert (message.status, message.is_delivered) == ("sent", False)


def test_a_report_ends_the_doubt(sms: ScriptedSender) -> None:
    sms.answers.append(SendError("unknown", "time-out"))
    order = build_sent()
    message = message_of(order, "order.created")
    assert (message.status, message.is_uncertain) == ("awaiting_retry", True)

    report(f"V-9 {message.outside_id} delivered")

    message.refresh_from_db()
    assert (message.status, message.is_uncertain, message.is_delivered) == ("sent", False, True)
    assert MessageAttempt.objects.get().result == "sent"


def test_another_account_knows_nothing_of_it(sms: ScriptedSender, monkeypatch: pytest.MonkeyPatch) -> None:
    add_channel(monkeypatch, "sms_two")
    other = build_message_account("sms_two")
    order = build_sent()

    answer = report(f"{MessageAttempt.objects.get().vendor_id} - failed", at=path(other))

    assert answer.status_code == 200
    assert message_of(order, "order.created").is_delivered is None


@pytest.mark.parametrize(
    "address",
    [
        "/push/message/sms_one/" + "x" * 43 + "/",
        "/push/message/no_such/" + "x" * 43 + "/",
        "/push/message/",
        "/push/message/sms_one/x/",
    ],
)
def test_other_addresses_are_nobodys(sms: ScriptedSender, address: str) -> None:
    build_sent()

    answer = report("1 - delivered", at=address)

    assert (answer.status_code, answer.content) == (404, b"")
    assert BuyerMessage.objects.get().is_delivered is None
    assert RefusedPush.objects.get().reason == "unknown_account"


def test_a_token_belongs_to_its_channel(sms: ScriptedSender, monkeypatch: pytest.MonkeyPatch) -> None:
    add_channel(monkeypatch, "sms_two")
    build_sent()

    assert report("1 - delivered", at=path().replace("sms_one", "sms_two")).status_code == 404


def test_too_large_a_body_is_refused(sms: ScriptedSender) -> None:
    build_sent()

    assert report("x" * 70_000).status_code == 413
    assert Client().put(path()).status_code == 405


def test_the_address_stays_with_new_keys(sms: ScriptedSender) -> None:
    before = path()

    build_message_account("sms_one")

    assert path() == before
