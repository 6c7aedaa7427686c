"""The queue of mail to staff: once each, no transaction open meanwhile, and a dead server holds nobody up."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.utils import timezone

from orders.approvals.mail import GIVE_UP_AFTER, KEPT, MOST_IN_A_RUN, send_staff_mail
from orders.approvals.workflow import withdraw
from orders.models import StaffMail
from ordersite import relay
from ordersite.queue import claims
from payments.manual import settle
from payments.manual.settle import SETTLEMENT
from payments.manual.tests.proposals import person, unpaid, wish_for
from payments.models import SettlementRequest
from payments.tests.steps import run_together

pytestmark = pytest.mark.django_db

SMTP = "ordersite.lib.outgoing.mail.BoundEmailBackend"
LOCAL = "django.core.mail.backends.locmem.EmailBackend"


def proposed(*names: str) -> SettlementRequest:
    """A proposal of Li that waits, with its mails to these people in the queue."""
    order, account = unpaid()
    for name in names:
        person(name)
    request = settle.propose(wish_for(order, account), user=person("li"))
    relay.run_relay()
    return request


def due() -> None:
    """The pause after a failure is over."""
    StaffMail.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def minutes() -> list[float]:
    """How long each open mail waits from now, in whole minutes."""
    now = timezone.now()
    waits = StaffMail.objects.filter(done_at=None).order_by("pk").values_list("due_at", flat=True)
    return [round((due_at - now).total_seconds() / 60) for due_at in waits]


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
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings.EMAIL_BACKEND = SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.server_address[1]
        yield MailServer
        server.shutdown()


@pytest.fixture
def no_mail_server(settings: Any) -> Iterator[None]:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = SMTP
        settings.EMAIL_HOST, settings.EMAIL_PORT = nobody.getsockname()
        yield


class Watching(EmailBackend):
    """Notes whether a transaction was open while the mail server was spoken to."""

    seen: ClassVar[list[bool]] = []

    def open(self) -> None:
        self.seen.append(connection.in_atomic_block)

    def send_messages(self, messages: Any) -> int:
        self.seen.append(connection.in_atomic_block)
        return int(super().send_messages(messages))

    def close(self) -> None:
        self.seen.append(connection.in_atomic_block)


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_sending(settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{Watching.__module__}.{Watching.__qualname__}"
    Watching.seen.clear()
    proposed("wang", "adam")
    assert Watching.seen == [], "the relay speaks to nobody"
    assert send_staff_mail() == 2
    assert Watching.seen == [False] * 4, "opened once, two mails, closed"


def test_one_connection_takes_them_all(mail_server: type[MailServer]) -> None:
    proposed("adam", "wang", "zhao")
    assert send_staff_mail() == 3
    assert (mail_server.calls, sorted(mail_server.taken)) == (
        1,
        ["adam@shop.test", "wang@shop.test", "zhao@shop.test"],
    )
    assert (send_staff_mail(), mail_server.calls) == (0, 1)
    row = StaffMail.objects.first()
    assert row is not None
    assert (row.sent_at, row.leased_until, row.last_error, row.attempts) == (row.done_at, None, "", 1)


def test_failing_server_is_tried_once_per_batch(no_mail_server: None, settings: Any) -> None:
    proposed("adam", "wang", "zhao")
    assert send_staff_mail() == 0
    assert minutes() == [1, 1, 1]
    assert list(StaffMail.objects.values_list("last_error", "attempts", "leased_until")) == [
        ("ConnectionRefusedError(111, 'Connection refused')", 1, None)
    ] * 3  # fmt: skip
    assert send_staff_mail() == 0
    assert set(StaffMail.objects.values_list("attempts", flat=True)) == {1}, "nothing is due"
    settings.EMAIL_BACKEND = LOCAL
    due()
    assert (send_staff_mail(), len(mail.outbox)) == (3, 3)


def test_the_pause_grows_to_a_quarter_of_an_hour(no_mail_server: None) -> None:
    proposed("adam", "wang")
    waits = []
    for _again in range(6):
        due()
        send_staff_mail()
        waits.append(minutes())
    assert waits == [[n, n] for n in (1, 2, 4, 8, 16, 16)]


def test_missing_recipient_fails_alone(mail_server: type[MailServer]) -> None:
    proposed("adam", "gone-eve", "zhao")
    for _again in range(3):
        send_staff_mail()
        due()
    assert sorted(mail_server.taken) == ["adam@shop.test", "zhao@shop.test"]
    eve = StaffMail.objects.get(done_at=None)
    assert (eve.address, eve.attempts) == ("gone-eve@shop.test", 3)
    assert "550, b'no such mailbox'" in eve.last_error


def test_invalid_address_fails_alone() -> None:
    proposed("adam", "wang")
    StaffMail.objects.filter(address="adam@shop.test").update(address="adam\n@shop.test")
    assert send_staff_mail() == 1
    assert [message.to for message in mail.outbox] == [["wang@shop.test"]]
    assert "BadHeaderError" in StaffMail.objects.get(done_at=None).last_error


def test_given_up_after_a_day_with_its_error(mail_server: type[MailServer]) -> None:
    proposed("gone")
    send_staff_mail()
    StaffMail.objects.update(created_at=timezone.now() - GIVE_UP_AFTER - timedelta(seconds=1))
    due()
    send_staff_mail()
    row = StaffMail.objects.get()
    assert (row.done_at is not None, row.sent_at, mail_server.calls) == (True, None, 1)
    assert "no such mailbox" in row.last_error


def test_late_mail_is_tried_once() -> None:
    """The workers stood still for two days; what still waits is still worth a mail."""
    proposed("adam")
    StaffMail.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert send_staff_mail() == 1


def test_mail_of_a_decided_request_is_dropped() -> None:
    request = proposed("adam")
    withdraw(SETTLEMENT, request.pk, user=request.proposer, note="x")
    assert (send_staff_mail(), mail.outbox) == (0, [])
    row = StaffMail.objects.get()
    assert (row.done_at is not None, row.sent_at, row.last_error) == (True, None, "")


def test_next_worker_sends_after_a_dead_one() -> None:
    proposed("adam")
    assert len(claims.claim(StaffMail, limit=1)) == 1, "and then its process was killed"
    assert send_staff_mail() == 0, "the lease of the dead still holds"
    StaffMail.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert (send_staff_mail(), len(mail.outbox)) == (1, 1)


def test_a_run_has_an_end() -> None:
    request = proposed()
    StaffMail.objects.bulk_create(
        StaffMail(
            event="settlement.proposed",
            subject_id=request.pk,
            address=f"{n}@shop.test",
            subject="s",
            body="b",
        )
        for n in range(MOST_IN_A_RUN + 1)
    )
    assert (send_staff_mail(), send_staff_mail()) == (MOST_IN_A_RUN, 1)


def test_sent_mail_is_deleted_after_some_days() -> None:
    proposed("adam", "wang")
    send_staff_mail()
    old = StaffMail.objects.order_by("pk").last()
    assert old is not None
    StaffMail.objects.filter(pk=old.pk).update(done_at=timezone.now() - KEPT - timedelta(seconds=1))
    send_staff_mail()
    assert list(StaffMail.objects.values_list("address", flat=True)) == ["adam@shop.test"]


class Overtaken(EmailBackend):
    """Slower than the lease: while it takes the first mail, another worker takes that row over."""

    calls: ClassVar[int] = 0

    def send_messages(self, messages: Any) -> int:
        taken = int(super().send_messages(messages))
        type(self).calls += 1
        if self.calls == 1:
            StaffMail.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
            assert send_staff_mail() == 1
            StaffMail.objects.update(last_error="of the second")
        return taken


def test_expired_lease_leaves_row_to_new_owner(settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{Overtaken.__module__}.{Overtaken.__qualname__}"
    Overtaken.calls = 0
    proposed("adam")
    send_staff_mail()
    assert len(mail.outbox) == 2, "better twice than never"
    row = StaffMail.objects.get()
    assert (row.attempts, row.last_error) == (2, "of the second")


def test_failure_leaves_rows_leased_by_another(no_mail_server: None) -> None:
    proposed("adam", "wang")
    [held] = claims.claim(StaffMail, limit=1)
    send_staff_mail()
    mine, other = StaffMail.objects.order_by("pk")
    assert (mine.pk, mine.attempts, mine.last_error, mine.leased_until is None) == (held.id, 1, "", False)
    assert (other.attempts, other.leased_until) == (1, None)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_send_each_mail_once(mail_server: type[MailServer]) -> None:
    request = proposed()
    names = [f"n{number}@shop.test" for number in range(20)]
    StaffMail.objects.bulk_create(
        StaffMail(event="settlement.proposed", subject_id=request.pk, address=name, subject="s", body="b")
        for name in names
    )
    assert sum(run_together(send_staff_mail, send_staff_mail)) == 20
    assert sorted(mail_server.taken) == sorted(names)
