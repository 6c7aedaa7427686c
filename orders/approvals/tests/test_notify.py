"""Mail to those who may decide: never to the proposer, nothing of the buyer, and queued, not sent, by the relay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.smtp import EmailBackend
from django.utils import timezone
from django.utils.module_loading import import_string

from orders.approvals.mail import send_staff_mail
from orders.approvals.notify import mail_approvers
from orders.approvals.workflow import withdraw
from orders.models import StaffMail
from orders.tests.builders import build_order
from ordersite import relay
from ordersite.lib.mail_server import mail_settings
from ordersite.queue.models import Delivery
from ordersite.queue.relay import Delivered
from payments.manual import revive, settle
from payments.manual.settle import SETTLEMENT
from payments.manual.tests.proposals import late_payment, person, unpaid, wish_for

pytestmark = pytest.mark.django_db


def test_only_approvers_are_notified(settings: Any) -> None:
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
    inactive = person("gone")
    inactive.is_active = False
    inactive.save()
    request = settle.propose(wish_for(order, account), user=li)
    relay.run_relay()
    assert send_staff_mail() == 2
    assert sorted(message.to[0] for message in mail.outbox) == ["chief@shop.test", "wang@shop.test"]
    message = mail.outbox[0]
    assert message.subject == f"待复核：补单申请，订单 {order.number}，¥199.00"
    assert f"/admin/payments/settlementrequest/{request.pk}/change/" in str(message.body)
    assert "王" not in message.subject + str(message.body)
    assert "138" not in str(message.body).replace(order.number, "")
    assert not Delivery.objects.exists()


def test_mail_uses_the_installations_language(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"
    payment, _case = late_payment()
    person("wang")
    revive.propose(payment.pk, user=person("li"), reason="x", stock_confirmed=True)
    relay.run_relay()
    send_staff_mail()
    assert mail.outbox[0].subject == f"To review: revival request, order {payment.order.number}, ¥199.00"


def test_decided_request_sends_no_mail() -> None:
    order, account = unpaid()
    person("wang")
    li = person("li")
    request = settle.propose(wish_for(order, account), user=li)
    withdraw(SETTLEMENT, request.pk, user=li, note="x")
    relay.run_relay()
    assert not StaffMail.objects.exists()


def test_the_relay_queues_and_does_not_send() -> None:
    order, account = unpaid()
    person("wang")
    request = settle.propose(wish_for(order, account), user=person("li"))
    relay.run_relay()
    row = StaffMail.objects.get()
    assert (row.event, row.subject_id, row.address) == ("settlement.proposed", request.pk, "wang@shop.test")
    assert (row.attempts, row.done_at, row.sent_at, mail.outbox) == (0, None, None, [])


def test_repeated_handler_queues_each_mail_once() -> None:
    order, account = unpaid()
    for name in ("wang", "adam"):
        person(name)
    request = settle.propose(wish_for(order, account), user=person("li"))
    event = Delivered(1, "settlement.proposed", request.pk, timezone.now(), {})
    assert list(mail_approvers(SETTLEMENT, [event, event])) == [None, None]
    assert send_staff_mail() == 2
    mail_approvers(SETTLEMENT, [event])
    assert (send_staff_mail(), len(mail.outbox), StaffMail.objects.count()) == (0, 2, 2)


def test_queries_do_not_grow_with_recipients(django_assert_num_queries: Any) -> None:
    account = unpaid()[1]
    for name in ("wang", "adam", "zhao"):
        person(name)
    li = person("li")
    requests = [
        settle.propose(
            wish_for(build_order(merchant=account.merchant), account, provider_reference=f"BANK0000{n}"),
            user=li,
        )
        for n in range(3)
    ]
    events = [Delivered(r.pk, "settlement.proposed", r.pk, timezone.now(), {}) for r in requests]
    for batch in (events[:1], events):
        with django_assert_num_queries(3):  # proposals, people, rows
            mail_approvers(SETTLEMENT, batch)
    assert StaffMail.objects.count() == 9


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("smtp://mail.test", ("mail.test", 25, "", "", False, False)),
        ("smtp+tls://a%40b:p%2Fw@mail.test", ("mail.test", 587, "a@b", "p/w", True, False)),
        ("smtps://u:p@mail.test:4465/", ("mail.test", 4465, "u", "p", False, True)),
    ],
)
def test_address_gives_the_mail_settings(address: str, expected: tuple[Any, ...]) -> None:
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    found = mail_settings(address, folder=Path("mail"))
    assert tuple(found[f"EMAIL_{name}"] for name in names) == expected
    backend = import_string(found["EMAIL_BACKEND"])
    assert issubclass(backend, EmailBackend)


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
