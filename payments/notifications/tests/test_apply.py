"""The drainer: every end of a notification, again and again, and out of order."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from orders import machine
from orders.changes import Move, RequestClose
from orders.history.lines import SYSTEM
from orders.machine import Action
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import apply_changes, build_order, move
from ordersite.queue.models import OutboxEntry
from payments.accounts.keys import keys_of
from payments.models import Payment, PaymentException, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.notifications.tests.received import cases, lines, outcome, receive, refund_words, state
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def test_payment_has_history_event_and_evidence() -> None:
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
    assert json.loads(line.evidence) == {
        "kind": "notification", "id": str(row.pk), "sha256": row.body_digest,
        "keys": keys_of(payment.account).fingerprint,
    }  # fmt: skip
    assert list(OutboxEntry.objects.values_list("name", "subject_id")) == [("order.paid", payment.order_id)]
    assert fresh.paid_at == row.occurred_at == line.at


def test_second_event_of_a_trade_is_a_duplicate() -> None:
    payment = build.build_payment(build.build_alipay())
    receive(payment, trade_no="T1")
    drain_notifications()
    again = receive(payment, trade_no="T1", trade_status="TRADE_FINISHED")
    drain_notifications()
    assert (outcome(again), len(lines(payment.order)), cases()) == ("duplicate", 2, [])


def test_partial_refund_raises_the_sums_once() -> None:
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


def test_webhook_refunds_are_added_up() -> None:
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


def test_refund_above_the_payment_opens_a_case() -> None:
    payment = build.build_payment(build.build_alipay())
    receive(payment, trade_no="T1")
    row = receive(payment, trade_no="T1", **refund_words("199.01", "R1"))
    drain_notifications()
    assert (outcome(row), state(payment), cases()) == (
        "amount_mismatch", ("paid", "paid"), [("amount_mismatch", payment.pk)],
    )  # fmt: skip


def early_refund(payment: Payment, amount: str = "50.00") -> PaymentNotification:
    """The notification of a refund that says nothing of the payment itself."""
    number = {"amount": amount, "refund_reference": "R1"}
    body, headers = build.webhook_call(payment, event="refund.succeeded", **number)
    assert build.post_webhook(body, headers).status_code == 204
    return PaymentNotification.objects.latest("id")


def test_early_refund_makes_a_query_and_waits() -> None:
    payment = build.build_payment(build.build_webhook())
    row = early_refund(payment)
    before = timezone.now()
    drain_notifications()
    next_query = Payment.objects.get().next_query_at
    assert next_query
    assert next_query >= before
    assert (outcome(row), state(payment)) == ("", ("open", "pending"))
    assert (cases(), Order.objects.get().held) == ([("refund_event", payment.pk)], True)
    build.post_webhook(*build.webhook_call(payment))
    drain_notifications()
    assert (state(payment), Order.objects.get().held) == (("paid", "paid"), True)
    make_due()
    drain_notifications()
    assert (outcome(row), state(payment)) == ("refund_applied", ("paid", "paid"))
    assert Payment.objects.get().refunded_amount == Decimal("50.00")
    assert cases() == [("refund_event", payment.pk)]


def make_due() -> None:
    PaymentNotification.objects.filter(done_at__isnull=True).update(due_at=timezone.now(), leased_until=None)


def test_refund_without_payment_ends_as_a_case() -> None:
    payment = build.build_payment(build.build_webhook())
    row = early_refund(payment)
    PaymentNotification.objects.update(received_at=timezone.now() - timedelta(minutes=10))
    drain_notifications()
    # However late we are: nobody has queried the provider yet.
    assert (outcome(row), cases()) == ("", [("refund_event", payment.pk)])
    Payment.objects.update(last_query_at=timezone.now())
    make_due()
    drain_notifications()
    assert (outcome(row), cases()) == ("refund_event", [("refund_event", payment.pk)])


def test_unknown_order_ends_as_a_case() -> None:
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


def test_order_later_than_notification_is_paid() -> None:
    account = build.build_alipay()
    stranger = Payment(reference="LATE000000000001", amount=Decimal("199.00"), account=account)
    row = receive(stranger)
    drain_notifications()
    payment = build.build_payment(account, reference="LATE000000000001")
    make_due()
    drain_notifications()
    assert (outcome(row), state(payment)) == ("applied", ("paid", "paid"))


def test_notification_of_another_account() -> None:
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


def test_refunded_surplus_leaves_the_order_paid() -> None:
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


def test_second_trade_of_an_attempt_opens_a_case() -> None:
    payment = build.build_payment(build.build_alipay())
    receive(payment, trade_no="T1")
    row = receive(payment, trade_no="T2")
    drain_notifications()
    assert (outcome(row), cases()) == ("already_paid", [("already_paid", payment.pk)])
    assert Payment.objects.get().provider_reference == "T1"


def test_one_trade_pays_one_attempt() -> None:
    account = build.build_alipay()
    first, second = build.build_payment(account), build.build_payment(account)
    rows = [receive(first, trade_no="T1"), receive(second, trade_no="T1")]
    drain_notifications()
    assert [outcome(row) for row in rows] == ["applied", "reference_conflict"]
    assert (state(second), cases()) == (("open", "pending"), [("reference_conflict", second.pk)])


def test_disabled_rule_keeps_the_money_as_a_case() -> None:
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


def test_closed_event_closes_the_waiting_order() -> None:
    payment = build.build_payment(build.build_alipay())
    apply_changes(RequestClose(payment.order_id, machine.TIMEOUT, SYSTEM))
    row = receive(payment, trade_status="TRADE_CLOSED", gmt_payment=None)
    drain_notifications()
    assert (outcome(row), state(payment)) == ("closed_noted", ("closed", "closed"))
    assert lines(payment.order)[-1] == ("transition", "timeout", "closed")


def test_unused_kind_of_event_is_noted() -> None:
    payment = build.build_payment(build.build_alipay())
    row = receive(payment, trade_status="WAIT_BUYER_PAY")
    drain_notifications()
    assert (outcome(row), state(payment), cases()) == ("noted", ("open", "pending"), [])


def test_shipped_and_completed_can_be_refunded() -> None:
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
