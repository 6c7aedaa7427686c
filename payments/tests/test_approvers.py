"""Mail to those who may decide: never to the proposer, nothing of the buyer, and a dead server holds nobody up."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend
from django.utils import timezone

from orders.tests.builders import build_order
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


class MailServer(socketserver.StreamRequestHandler):
    """The least of an SMTP server: mailboxes whose name begins with «gone» are not there."""

    taken: ClassVar[list[str]] = []
    calls: ClassVar[int] = 0

    def handle(self) -> None:
        type(self).calls += 1
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            self.wfile.write(self.answer(line.decode().strip()))

    def answer(self, line: str) -> bytes:
        if line.upper().startswith("RCPT"):
            self.to = line.partition("<")[2].rstrip(">")
            return b"550 no such mailbox\r\n" if self.to.startswith("gone") else b"250 ok\r\n"
        if line.upper() != "DATA":
            return b"250 ok\r\n"
        self.wfile.write(b"354 go on\r\n")
        while self.rfile.readline().strip() != b".":
            pass
        self.taken.append(self.to)
        return b"250 taken\r\n"


@pytest.fixture
def mail_server(settings: Any) -> Iterator[type[MailServer]]:
    MailServer.taken.clear()
    MailServer.calls = 0
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.server_address[1]
        yield MailServer
        server.shutdown()


def test_a_mailbox_that_is_gone_does_not_fill_the_others(mail_server: type[MailServer]) -> None:
    order, account = unpaid()
    for name in ("adam", "gone-eve", "zhao"):
        person(name)
    manual.propose(wish_for(order, account), user=person("li"))
    for _again in range(3):
        relay.run_relay()
        Delivery.objects.update(due_at=timezone.now())
    assert mail_server.taken == ["adam@shop.test", "zhao@shop.test"]
    assert not Delivery.objects.exists()


def test_where_nobody_can_be_told_it_is_tried_once_a_minute_for_a_day(mail_server: type[MailServer]) -> None:
    account = unpaid()[1]
    person("gone")
    li = person("li")
    for number in range(3):
        order = build_order(merchant=account.merchant)
        manual.propose(wish_for(order, account, provider_reference=f"BANK0000{number}"), user=li)
    relay.run_relay()
    assert mail_server.calls == 1, "one try for the whole batch"
    assert list(Delivery.objects.values_list("last_error", flat=True)) == ["mail: SMTPRecipientsRefused"] * 3
    a_day_ago = timezone.now() - timedelta(days=1, seconds=1)
    Delivery.objects.update(due_at=timezone.now(), event_at=a_day_ago)
    relay.run_relay()
    assert (Delivery.objects.count(), mail_server.taken) == (0, [])


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
