"""Mail to those who may decide: never to the proposer, nothing of the buyer, and a dead server holds nobody up."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend

from ordersite import relay
from ordersite.lib.mail_server import mail_settings
from ordersite.rails.models import Delivery
from payments import manual, revival
from payments.tests.proposals import late_payment, person, unpaid, wish_for

pytestmark = pytest.mark.django_db


def test_those_who_may_decide_are_told_and_nobody_else(settings: Any) -> None:
    order, account = unpaid()
    li = person("li")
    for name, role in (
        ("wang", "finance"),
        ("chief", "supervisor"),
        ("agent", "agent"),
        ("viewer", "viewer"),
    ):
        person(name, role)
    silent = person("silent")
    silent.email = ""
    silent.save()
    gone = person("gone")
    gone.is_active = False
    gone.save()
    request = manual.propose(wish_for(order, account), user=li)
    relay.run_relay()
    assert sorted(message.to[0] for message in mail.outbox) == ["chief@shop.test", "wang@shop.test"]
    message = mail.outbox[0]
    assert message.subject == f"待复核:补单申请,订单 {order.number},¥199.00"
    assert f"/admin/payments/settlementrequest/{request.pk}/change/" in str(message.body)
    assert "王" not in message.subject + str(message.body)
    assert "138" not in str(message.body).replace(order.number, "")
    assert not Delivery.objects.exists()


def test_the_mail_speaks_the_language_of_the_installation(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"
    payment, _case = late_payment()
    person("wang")
    revival.propose(payment.pk, user=person("li"), reason="x", stock_confirmed=True)
    relay.run_relay()
    assert mail.outbox[0].subject == f"To review: revival request, order {payment.order.number}, ¥199.00"


def test_what_is_decided_already_is_not_told() -> None:
    order, account = unpaid()
    person("wang")
    li = person("li")
    request = manual.propose(wish_for(order, account), user=li)
    manual.withdraw(request.pk, user=li, note="x")
    relay.run_relay()
    assert mail.outbox == []


def test_a_mail_server_that_fails_is_tried_again_later(settings: Any) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = nobody.getsockname()
        order, account = unpaid()
        person("wang")
        manual.propose(wish_for(order, account), user=person("li"))
        relay.run_relay()
    delivery = Delivery.objects.get()
    assert (delivery.handler, delivery.last_error) == (
        "payments.tell_of_settlement", "mail: ConnectionRefusedError",
    )  # fmt: skip
    assert delivery.parked_at is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Delivery.objects.update(due_at=delivery.event_at)
    relay.run_relay()
    assert (len(mail.outbox), Delivery.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("smtp://mail.test", ("mail.test", 25, "", "", False, False)),
        ("smtp+tls://a%40b:p%2Fw@mail.test", ("mail.test", 587, "a@b", "p/w", True, False)),
        ("smtps://u:p@mail.test:4465/", ("mail.test", 4465, "u", "p", False, True)),
    ],
)
def test_one_address_says_where_mail_goes(address: str, expected: tuple[Any, ...]) -> None:
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    found = mail_settings(address, folder=Path("mail"))
    assert tuple(found[f"EMAIL_{name}"] for name in names) == expected
    assert found["EMAIL_BACKEND"] == f"{EmailBackend.__module__}.EmailBackend"


@pytest.mark.parametrize(
    "address", ["mail.test", "http://mail.test", "smtp://", "smtp://mail.test/x", "smtp://h:99999"]
)
def test_a_malformed_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"must be|out of range"):
        mail_settings(address, folder=Path("mail"))


def test_without_a_server_mail_is_a_file() -> None:
    assert json.dumps(mail_settings("", folder=Path("/srv/mail"))) == json.dumps(
        {
            "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "EMAIL_FILE_PATH": "/srv/mail",
        }
    )
