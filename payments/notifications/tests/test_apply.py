"""The drainer: every end of a notification, again and again, out of order, side by side, and with poison."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import close_old_connections, connection, connections, transaction
from django.db.models import F, Model
from django.utils import timezone

from orders import machine
from orders.changes import Move, RequestClose
from orders.history.lines import SYSTEM
from orders.machine import Action
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import apply_changes, build_order, move
from ordersite.queue import claims
from ordersite.queue.models import OutboxEntry
from payments.models import Payment, PaymentAccount, PaymentException, PaymentNotification, Refund
from payments.notifications.apply import apply_notifications, drain_notifications
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def receive(payment: Payment, **changes: str | None) -> PaymentNotification:
    """A genuine notification, as it came over HTTP."""
    assert build.post_alipay(build.alipay_body(payment, **changes)).content == b"success"
    return PaymentNotification.objects.latest("id")


def refund_words(total: str, number: str, *, status: str = "TRADE_SUCCESS") -> dict[str, str]:
    return {
        "refund_fee": total,
        "gmt_refund": "2026-11-22 15:00:00.123",
        "out_biz_no": number,
        "trade_status": status,
    }


def outcome(row: PaymentNotification) -> str:
    return PaymentNotification.objects.get(pk=row.pk).outcome


def lines(order: Order) -> list[tuple[str, str, str]]:
    return list(OrderEvent.objects.filter(order=order).values_list("kind", "trigger", "to_status"))


def state(payment: Payment) -> tuple[str, str]:
    fresh = Payment.objects.select_related("order").get(pk=payment.pk)
    return fresh.status, fresh.order.status


def cases() -> list[tuple[str, int | None]]:
    return list(PaymentException.objects.order_by("id").values_list("kind", "payment_id"))


def test_a_payment_is_applied_with_history_outbox_and_evidence() -> None:
    payment = build.build_payment(build.build_alipay())
    row = receive(payment, trade_no="T1")
    assert drain_notifications() == 1
    fresh = Payment.objects.get()
    assert (outcome(row), state(payment), fresh.provider_reference) == ("applied", ("paid", "paid"), "T1")
    assert lines(payment.order) == [
        ("created", "created", "pending"),
        ("transition", "notification", "paid"),
    ]
    line = OrderEvent.objects.get(seq=2)
    assert (line.actor_kind, line.actor_id) == ("provider", "demo-alipay")
    assert line.evidence == f'{{"kind":"notification","id":"{row.pk}","sha256":"{row.body_digest}"}}'
    assert list(OutboxEntry.objects.values_list("name", "subject_id")) == [("order.paid", payment.order_id)]
    assert fresh.paid_at == row.occurred_at == line.at


def test_another_notification_of_the_same_trade_is_a_duplicate() -> None:
    payment = build.build_payment(build.build_alipay())
    receive(payment, trade_no="T1")
    drain_notifications()
    again = receive(payment, trade_no="T1", trade_status="TRADE_FINISHED")
    drain_notifications()
    assert (outcome(again), len(lines(payment.order)), cases()) == ("duplicate", 2, [])


def test_two_events_of_one_order_in_a_batch_are_applied_one_after_the_other() -> None:
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


def test_a_partial_refund_keeps_the_state_and_raises_the_sums_once() -> None:
    payment = build.build_payment(build.build_alipay())
    receive(payment, trade_no="T1")
    drain_notifications()
    first = receive(payment, trade_no="T1", **refund_words("10.00", "R1"))
    later = receive(payment, trade_no="T1", **refund_words("30.00", "R2"))
    drain_notifications()
    late = receive(payment, trade_no="T1", **refund_words("10.00", "R1"), notify_id="another")
    drain_notifications()
    assert [outcome(row) for row in (first, later, late)] == ["refund_applied", "refund_applied", "duplicate"]
    fresh = Payment.objects.get()
    assert (fresh.refunded_amount, fresh.order.refunded_amount) == (Decimal("30.00"), Decimal("30.00"))
    assert state(payment) == ("paid", "paid")


def test_webhook_refunds_without_a_sum_are_added_up() -> None:
    payment = build.build_payment(build.build_webhook())
    number = f"wh-{payment.reference}"
    for event, data in (
        ("payment.succeeded", {}),
        ("refund.succeeded", {"amount": "100.00", "refund_reference": "R1"}),
        ("refund.succeeded", {"amount": "100.00", "refund_reference": "R1"}),
        ("refund.succeeded", {"amount": "99.00", "refund_reference": "R2"}),
    ):
        body, headers = build.webhook_call(payment, event=event, provider_reference=number, **data)
        assert build.post_webhook(body, headers).status_code == 204
    drain_notifications()
    outcomes = list(PaymentNotification.objects.order_by("id").values_list("outcome", flat=True))
    assert outcomes == ["applied", "refund_applied", "duplicate", "refund_applied"]
    assert state(payment) == ("refunded", "refunded")


def test_a_refund_of_more_than_was_paid_is_a_case() -> None:
    payment = build.build_payment(build.build_alipay())
    receive(payment, trade_no="T1")
    row = receive(payment, trade_no="T1", **refund_words("199.01", "R1"))
    drain_notifications()
    assert (outcome(row), state(payment), cases()) == (
        "amount_mismatch", ("paid", "paid"), [("amount_mismatch", payment.pk)],
    )  # fmt: skip


def test_a_refund_before_its_payment_asks_the_provider_and_waits_for_it() -> None:
    payment = build.build_payment(build.build_alipay())
    row = receive(payment, trade_no="T1", **refund_words("50.00", "R1"))
    before = timezone.now()
    drain_notifications()
    asked = Payment.objects.get().next_query_at
    assert asked
    assert asked >= before
    assert (outcome(row), state(payment), cases()) == ("", ("open", "pending"), [])
    receive(payment, trade_no="T1")
    drain_notifications()
    make_due()
    drain_notifications()
    assert (outcome(row), state(payment)) == ("refund_applied", ("paid", "paid"))
    assert Payment.objects.get().refunded_amount == Decimal("50.00")


def make_due() -> None:
    PaymentNotification.objects.filter(done_at__isnull=True).update(due_at=timezone.now(), leased_until=None)


def test_a_refund_whose_payment_never_comes_is_a_case_after_ten_minutes() -> None:
    payment = build.build_payment(build.build_alipay())
    row = receive(payment, trade_no="T1", **refund_words("50.00", "R1"))
    PaymentNotification.objects.update(received_at=timezone.now() - timedelta(minutes=10))
    drain_notifications()
    # However late we are: nobody has asked the provider yet.
    assert (outcome(row), cases()) == ("", [])
    Payment.objects.update(last_asked_at=timezone.now())
    make_due()
    drain_notifications()
    assert (outcome(row), cases()) == ("refund_event", [("refund_event", payment.pk)])


def test_an_unknown_order_is_tried_for_ten_minutes_and_then_a_case() -> None:
    account = build.build_alipay()
    stranger = Payment(reference="NOBODY0000000001", amount=Decimal("199.00"), account=account)
    row = receive(stranger)
    drain_notifications()
    waiting = build.only_notification()
    assert (waiting.outcome, waiting.done_at, waiting.attempts) == ("", None, 0)
    assert waiting.due_at > timezone.now() + timedelta(seconds=10)
    assert cases() == []
    PaymentNotification.objects.update(received_at=timezone.now() - timedelta(minutes=10))
    make_due()
    drain_notifications()
    assert (outcome(row), cases()) == ("unknown_order", [("unknown_order", None)])


def test_an_order_committed_after_its_notification_is_paid() -> None:
    account = build.build_alipay()
    stranger = Payment(reference="LATE000000000001", amount=Decimal("199.00"), account=account)
    row = receive(stranger)
    drain_notifications()
    payment = build.build_payment(account, reference="LATE000000000001")
    make_due()
    drain_notifications()
    assert (outcome(row), state(payment)) == ("applied", ("paid", "paid"))


def test_a_notification_through_another_account_never_pays() -> None:
    payment = build.build_payment(build.build_alipay())
    build.build_alipay("other-alipay")
    response = build.post_alipay(build.alipay_body(payment), slug="other-alipay")
    assert response.content == b"success"
    drain_notifications()
    assert build.only_notification().outcome == "wrong_account"
    assert (state(payment), cases()) == (("open", "pending"), [("wrong_account", payment.pk)])


def test_money_after_closing_is_kept_and_a_case() -> None:
    payment = build.build_payment(build.build_alipay())
    close(payment.order)
    row = receive(payment, trade_no="T1")
    drain_notifications()
    assert (outcome(row), state(payment)) == ("order_closed", ("paid", "closed"))
    case = PaymentException.objects.get()
    assert (case.kind, case.amount, case.order_id) == ("order_closed", Decimal("199.00"), payment.order_id)
    assert Payment.objects.get().is_surplus


def close(order: Order) -> None:
    request = RequestClose(order.pk, machine.TIMEOUT, SYSTEM)
    outcomes = apply_changes(request, Move(order.pk, Action.CLOSE, machine.TIMEOUT, SYSTEM))
    assert [outcome.result for outcome in outcomes] == ["done", "done"]


def test_a_second_payment_of_an_order_is_kept_as_surplus_and_its_refund_leaves_the_order_alone() -> None:
    account = build.build_alipay()
    first = build.build_payment(account)
    second = build.build_payment(build.build_alipay("second-alipay"), order=first.order)
    receive(first, trade_no="T1")
    body = build.alipay_body(second, trade_no="T2")
    build.post_alipay(body, slug="second-alipay")
    drain_notifications()
    assert (state(first), state(second)) == (("paid", "paid"), ("paid", "paid"))
    assert cases() == [("already_paid", second.pk)]
    refund = build.alipay_body(second, trade_no="T2", **refund_words("199.00", "R", status="TRADE_CLOSED"))
    build.post_alipay(refund, slug="second-alipay")
    drain_notifications()
    assert (state(first), state(second)) == (("paid", "paid"), ("refunded", "paid"))


def test_another_trade_of_a_paid_attempt_is_a_case() -> None:
    payment = build.build_payment(build.build_alipay())
    receive(payment, trade_no="T1")
    row = receive(payment, trade_no="T2")
    drain_notifications()
    assert (outcome(row), cases()) == ("already_paid", [("already_paid", payment.pk)])
    assert Payment.objects.get().provider_reference == "T1"


def test_one_trade_cannot_pay_two_attempts_of_an_account() -> None:
    account = build.build_alipay()
    first, second = build.build_payment(account), build.build_payment(account)
    rows = [receive(first, trade_no="T1"), receive(second, trade_no="T1")]
    drain_notifications()
    assert [outcome(row) for row in rows] == ["applied", "reference_conflict"]
    assert (state(second), cases()) == (("open", "pending"), [("reference_conflict", second.pk)])


def test_a_switched_off_trigger_keeps_the_money_and_tells_a_person() -> None:
    payment = build.build_payment(build.build_alipay())
    TransitionRule.objects.filter(trigger="notification").update(is_enabled=False)
    row = receive(payment, trade_no="T1")
    drain_notifications()
    assert (outcome(row), state(payment)) == ("order_refused", ("paid", "pending"))
    assert cases() == [("order_refused", payment.pk)]
    TransitionRule.objects.update(is_enabled=True)
    PaymentNotification.objects.update(outcome="", done_at=None)
    drain_notifications()
    assert (outcome(row), state(payment)) == ("applied", ("paid", "paid"))


def test_a_closing_notice_closes_the_attempt_and_the_order_that_waits_for_it() -> None:
    payment = build.build_payment(build.build_alipay())
    apply_changes(RequestClose(payment.order_id, machine.TIMEOUT, SYSTEM))
    row = receive(payment, trade_status="TRADE_CLOSED", gmt_payment=None)
    drain_notifications()
    assert (outcome(row), state(payment)) == ("closed_noted", ("closed", "closed"))
    assert lines(payment.order)[-1] == ("transition", "timeout", "closed")


def test_a_notice_of_a_kind_we_do_not_use_is_noted() -> None:
    payment = build.build_payment(build.build_alipay())
    row = receive(payment, trade_status="WAIT_BUYER_PAY")
    drain_notifications()
    assert (outcome(row), state(payment), cases()) == ("noted", ("open", "pending"), [])


def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(
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
def test_fifty_copies_at_once_are_fifty_successes_and_one_transition() -> None:
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
def test_without_the_inbox_constraint_copies_are_stored_twice_and_the_door_still_pays_once() -> None:
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
def test_the_same_row_applied_by_many_drainers_at_once_has_one_effect() -> None:
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


def test_a_poison_row_is_parked_and_its_neighbours_are_applied(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_row_that_kills_its_process_takes_nobody_with_it() -> None:
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


def test_a_refund_edge_fires_from_shipped_and_completed_too() -> None:
    for path in (
        (("ship", machine.WAREHOUSE),),
        (("ship", machine.WAREHOUSE), ("complete", machine.CARRIER)),
    ):
        payment = build.build_payment(build.build_alipay(), order=build_order())
        receive(payment, trade_no=f"T{payment.pk}")
        drain_notifications()
        for action, trigger in path:
            move(payment.order, action, trigger)
        receive(payment, trade_no=f"T{payment.pk}", **refund_words("199.00", "R", status="TRADE_CLOSED"))
        drain_notifications()
        assert state(payment) == ("refunded", "refunded")


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
