"""Many rows at once: one batch, drainers side by side, copies in parallel, and rows that fail or kill."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import close_old_connections, connection, connections, transaction
from django.db.models import F, Model
from django.utils import timezone

from orders.models import Order, OrderEvent
from ordersite.queue import claims
from ordersite.queue.models import OutboxEntry
from payments.models import Payment, PaymentAccount, PaymentException, PaymentNotification, Refund
from payments.notifications.apply import apply_notifications, drain_notifications
from payments.notifications.tests.received import cases, lines, outcome, receive, refund_words, state
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def test_events_of_an_order_keep_their_sequence() -> None:
    payment = build.build_payment(build.build_alipay())
    first = receive(payment, trade_no="T1")
    second = receive(payment, trade_no="T1", **refund_words("50.00", "R1"))
    third = receive(payment, trade_no="T1", **refund_words("199.00", "R2", status="TRADE_CLOSED"))
    drain_notifications()
    assert [outcome(row) for row in (first, second, third)] == ["applied", "refund_applied", "refund_applied"]
    assert state(payment) == ("refunded", "refunded")
    assert [kind for kind, _t, _s in lines(payment.order)] == [
        "created", "transition", "partial_refund", "transition",
    ]  # fmt: skip
    assert list(Refund.objects.order_by("id").values_list("refund_reference", "amount")) == [
        ("R1", Decimal("50.00")),
        ("R2", Decimal("149.00")),
    ]


def test_statement_count_is_independent_of_size(
    django_assert_max_num_queries: Any,
) -> None:
    account = build.build_alipay()
    counts = []
    for size in (1, 20):
        ids = [receive(build.build_payment(account)).pk for _ in range(size)]
        with django_assert_max_num_queries(20) as seen, transaction.atomic():
            apply_notifications(ids)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def in_threads(count: int, work: Callable[[], object]) -> None:
    """`count` threads at a barrier, each with a connection of its own."""
    barrier = threading.Barrier(count)

    def run() -> None:
        close_old_connections()
        connection.ensure_connection()
        barrier.wait()
        try:
            work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.postgres
@pytest.mark.serial  # beside other tests one of fifty may not get its turn within the time for an answer
def test_fifty_copies_succeed_and_pay_once() -> None:
    payment = build.build_payment(build.build_alipay())
    body = build.alipay_body(payment)
    answers: list[bytes] = []
    in_threads(50, lambda: answers.append(build.post_alipay(body).content))
    assert answers == [b"success"] * 50
    in_threads(4, drain_notifications)
    assert (PaymentNotification.objects.count(), state(payment)) == (1, ("paid", "paid"))
    assert len(lines(payment.order)) == 2


@contextmanager
def without_constraint(model: type[Model], name: str) -> Iterator[None]:
    """The guard taken away, to show what it is for."""
    constraint = next(one for one in model._meta.constraints if one.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(model, constraint)
    try:
        yield
    finally:
        model._base_manager.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(model, constraint)


@pytest.mark.postgres
def test_stored_copies_pay_once_by_the_lock() -> None:
    payment = build.build_payment(build.build_alipay())
    body = build.alipay_body(payment)
    with without_constraint(PaymentNotification, "notification_once"):
        in_threads(50, lambda: build.post_alipay(body))
        assert PaymentNotification.objects.count() == 50
        in_threads(4, drain_notifications)
        ends = Counter(PaymentNotification.objects.values_list("outcome", flat=True))
    assert (ends, state(payment)) == ({"applied": 1, "duplicate": 49}, ("paid", "paid"))
    assert len(lines(payment.order)) == 2


def naive_pay(payment: Payment, effects: list[int]) -> None:
    """What the door would be without its lock: look, then write."""
    if Order.objects.filter(pk=payment.order_id, status="pending").exists():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.01)")
        Payment.objects.filter(pk=payment.pk).update(queries=F("queries") + 1)
        effects.append(1)
        Order.objects.filter(pk=payment.order_id).update(status="paid", paid_at=timezone.now())


@pytest.mark.postgres
def test_one_row_in_fifty_threads_has_one_effect() -> None:
    """First the race without the guard, then the door."""
    account = build.build_alipay()
    unguarded, effects = build.build_payment(account), list[int]()
    in_threads(50, lambda: naive_pay(unguarded, effects))
    assert len(effects) > 1

    payment = build.build_payment(account)
    row = receive(payment)

    def apply() -> None:
        with transaction.atomic():
            apply_notifications([row.pk])

    in_threads(50, apply)
    assert (outcome(row), state(payment)) == ("applied", ("paid", "paid"))
    assert (len(lines(payment.order)), OutboxEntry.objects.filter(name="order.paid").count()) == (2, 1)
    assert cases() == []


def test_poison_row_spares_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_ATTEMPTS", 2)
    account = build.build_alipay()
    payments = [build.build_payment(account) for _ in range(5)]
    rows = [receive(payment) for payment in payments]
    PaymentNotification.objects.filter(pk=rows[2].pk).update(kind="nonsense")
    drain_notifications()
    good = [row for row in rows if row.pk != rows[2].pk]
    assert [outcome(row) for row in good] == ["applied"] * 4
    PaymentNotification.objects.filter(pk=rows[2].pk).update(due_at=timezone.now())
    drain_notifications()
    bad = PaymentNotification.objects.get(pk=rows[2].pk)
    assert (bad.outcome, "nonsense" in bad.last_error) == ("poison", True)
    assert PaymentException.objects.get().notification_id == bad.pk
    assert state(payments[2]) == ("open", "pending")


KILLED_DRAINER = """
import os, signal, sys
import django
django.setup()
from django.db import connection
from ordersite.database import bulk
from payments.notifications.apply import drain_notifications

def deadly(execute, sql, params, many, context):
    if "UPDATE" in sql and "payments_payment\\"" in sql and sys.argv[1] in str(params):
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(sql, params, many, context)

with connection.execute_wrapper(deadly):
    drain_notifications()
"""


@pytest.mark.postgres
def test_row_that_kills_its_process_dies_alone() -> None:
    """The neighbours of its batch, before and behind it, are applied by the next process."""
    account = build.build_alipay()
    payments = [build.build_payment(account) for _ in range(5)]
    rows = [receive(payment, trade_no=f"KILLER{n}") for n, payment in enumerate(payments)]
    deaths = 0
    for _ in range(claims.MOST_ATTEMPTS + 3):
        deaths += run_killed("KILLER2").returncode == -9
        PaymentNotification.objects.filter(done_at__isnull=True).update(leased_until=None)
    outcomes = [outcome(row) for row in rows]
    assert outcomes == ["applied", "applied", "poison", "applied", "applied"]
    assert deaths == claims.MOST_ATTEMPTS
    assert (state(payments[2]), cases()) == (("open", "pending"), [("poison", None)])


def run_killed(trade: str) -> subprocess.CompletedProcess[bytes]:
    settings = connection.settings_dict
    url = f"postgres://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    return subprocess.run(
        [sys.executable, "-c", KILLED_DRAINER, trade],
        env={**os.environ, "DATABASE_URL": url},
        check=False,
        timeout=60,
    )


def test_accounts_are_not_mixed_up_in_one_batch() -> None:
    accounts = [build.build_alipay(), build.build_alipay("second-alipay")]
    payments = [build.build_payment(account) for account in accounts]
    for account, payment in zip(accounts, payments, strict=True):
        build.post_alipay(build.alipay_body(payment, trade_no="SAME"), slug=account.slug)
    drain_notifications()
    assert [state(payment) for payment in payments] == [("paid", "paid")] * 2
    actors = OrderEvent.objects.filter(seq=2).order_by("order_id").values_list("actor_id", flat=True)
    assert list(actors) == ["demo-alipay", "second-alipay"]
    assert PaymentAccount.objects.count() == 2
