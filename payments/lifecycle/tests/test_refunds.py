"""Only the provider confirms a refund: its updates end the request, and an unrequested refund opens a case."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.approvals.workflow import refuse
from orders.history.lines import Evidence
from orders.models import OrderEvent, TransitionRule
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentException, PaymentNotification, Refund, RefundRequest
from payments.notifications.apply import drain_notifications
from payments.providers.types import UpdateKind
from payments.refunds.approval import REFUND
from payments.refunds.tests.builders import (
    fresh_request,
    order_of,
    paid_payment,
    requested_refund,
    staff,
    surplus_payment,
)
from payments.tests import builders as build

pytestmark = pytest.mark.django_db
ZERO = Decimal("0.00")


def reported(payment: Payment, kind: UpdateKind = UpdateKind.REFUND, **changes: Any) -> PaymentUpdate:
    """An update about a refund of this payment."""
    update = PaymentUpdate(
        account_id=payment.account_id,
        kind=kind,
        reference=payment.reference,
        evidence=Evidence("query", payment.reference, secrets.token_hex(32)),
        seen_at=timezone.now(),
    )
    return replace(update, **changes)


def about(request: RefundRequest, kind: UpdateKind = UpdateKind.REFUND, **changes: Any) -> PaymentUpdate:
    given = {"refund_reference": request.reference, "refund_amount": request.amount, **changes}
    return reported(request.payment, kind, **given)


def apply(*updates: PaymentUpdate) -> list[str]:
    return [str(result.outcome.value) for result in apply_updates(updates)]


def state(request: RefundRequest) -> tuple[str, Decimal, Decimal]:
    fresh = fresh_request(request)
    return str(fresh.status), fresh.payment.refunded_amount, fresh.order.refunds_pending


def cases() -> list[str]:
    return list(PaymentException.objects.order_by("id").values_list("kind", flat=True))


def rows() -> list[tuple[str, str]]:
    found = Refund.objects.order_by("id").values_list("refund_reference", "amount")
    return [(number, f"{amount}") for number, amount in found]


def test_confirmation_ends_the_request() -> None:
    request = requested_refund(paid_payment(), "60.00")
    assert apply(about(request), about(request)) == ["refund_applied", "duplicate"]
    assert state(request) == ("succeeded", Decimal("60.00"), ZERO)
    assert (order_of(request.payment).refunded_amount, cases()) == (Decimal("60.00"), [])
    assert OrderEvent.objects.filter(order_id=request.order_id, kind="refund_ended").count() == 1


def test_whole_amount_refunds_the_order() -> None:
    request = requested_refund(paid_payment(status="completed"), "199.00")
    assert apply(about(request)) == ["refund_applied"]
    assert (state(request), order_of(request.payment).status) == (
        ("succeeded", Decimal("199.00"), ZERO),
        "refunded",
    )


def test_surplus_leaves_its_order_alone() -> None:
    request = requested_refund(surplus_payment(), "199.00")
    assert apply(about(request)) == ["refund_applied"]
    assert state(request) == ("succeeded", Decimal("199.00"), ZERO)
    order = order_of(request.payment)
    assert (order.status, order.refunded_amount) == ("closed", ZERO)


def test_unrequested_is_applied_with_a_case() -> None:
    payment = paid_payment()
    update = reported(payment, refund_reference="CONSOLE-1", refund_amount=Decimal("50.00"))
    assert apply(update, update) == ["refund_applied", "duplicate"]
    payment.refresh_from_db()
    assert (payment.refunded_amount, cases(), rows()) == (
        Decimal("50.00"), ["refund_event"], [("CONSOLE-1", "50.00")],
    )  # fmt: skip
    case = PaymentException.objects.get()
    assert (case.amount, case.payment_id, case.order_id) == (Decimal("50.00"), payment.pk, payment.order_id)


def test_unrequested_beside_a_request() -> None:
    request = requested_refund(paid_payment(), "60.00")
    apply(reported(request.payment, refund_reference="CONSOLE-1", refund_amount=Decimal("60.00")))
    assert (cases(), state(request)) == (["refund_event"], ("approved", Decimal("60.00"), Decimal("60.00")))


def test_number_of_another_payment() -> None:
    request = requested_refund(paid_payment(), "60.00")
    other = paid_payment(request.payment.account)
    apply(reported(other, refund_reference=request.reference, refund_amount=Decimal("60.00")))
    assert (state(request)[0], cases()) == ("approved", ["refund_event"])


def test_sum_ahead_of_single_refunds() -> None:
    """Alipay's sums hold refunds that it has not reported one by one: a lost answer, then the next refund."""
    payment = paid_payment(total="100.00")
    lost, second = requested_refund(payment, "30.00"), requested_refund(payment, "20.00")
    assert apply(about(second, refunded_total=Decimal("50.00"))) == ["refund_applied"]
    assert (state(second), rows()) == (
        ("succeeded", Decimal("50.00"), Decimal("30.00")), [(second.reference, "20.00")],
    )  # fmt: skip
    assert apply(about(lost)) == ["refund_applied"]
    assert state(lost) == ("succeeded", Decimal("50.00"), ZERO)
    assert rows() == [(second.reference, "20.00"), (lost.reference, "30.00")]
    assert (order_of(payment).refunded_amount, cases()) == (Decimal("50.00"), [])


def test_sum_older_than_a_confirmed_request() -> None:
    """The console's refund was first, but its notification after the answer to ours: its sum does not hold ours."""
    payment = paid_payment(total="100.00")
    request = requested_refund(payment, "20.00")
    console = reported(
        payment, refund_reference="C1", refund_amount=Decimal("50.00"), refunded_total=Decimal("50.00")
    )

    outcomes = apply(about(request), console, about(request, refunded_total=Decimal("70.00")), console)

    assert outcomes == ["refund_applied", "refund_applied", "duplicate", "duplicate"]
    assert rows() == [(request.reference, "20.00"), ("C1", "50.00")]
    assert state(request) == ("succeeded", Decimal("70.00"), ZERO)
    assert (order_of(payment).refunded_amount, cases()) == (Decimal("70.00"), ["refund_event"])


def test_overtaken_notification_gets_its_row() -> None:
    payment = paid_payment(total="100.00")
    late = reported(
        payment, refund_reference="C1", refund_amount=Decimal("10.00"), refunded_total=Decimal("10.00")
    )
    first = reported(
        payment, refund_reference="C2", refund_amount=Decimal("20.00"), refunded_total=Decimal("30.00")
    )
    assert apply(first, late, late) == ["refund_applied", "duplicate", "duplicate"]
    assert rows() == [("C2", "20.00"), ("C1", "10.00")]


def test_order_that_refuses_keeps_the_record() -> None:
    request = requested_refund(paid_payment(), "199.00")
    TransitionRule.objects.filter(action="refund").update(is_enabled=False)
    assert apply(about(request)) == ["refund_event"]
    assert (state(request), rows()) == (
        ("succeeded", Decimal("199.00"), ZERO),
        [(request.reference, "199.00")],
    )
    assert (order_of(request.payment).status, cases()) == ("paid", ["refund_event"])


def test_unnumbered_full_refund_is_expected() -> None:
    """A query that says «all of it went back» names no refund; the request is confirmed by its own answer."""
    request = requested_refund(paid_payment(), "199.00")
    assert apply(reported(request.payment, full_refund=True)) == ["refund_applied"]
    assert (cases(), state(request)) == ([], ("approved", Decimal("199.00"), Decimal("199.00")))
    assert apply(about(request)) == ["refund_applied"]
    assert (cases(), state(request)) == ([], ("succeeded", Decimal("199.00"), ZERO))
    assert rows() == [(request.reference, "199.00")]


def test_other_amount_than_requested() -> None:
    request = requested_refund(paid_payment(), "60.00")
    assert apply(about(request, refund_amount=Decimal("59.00"))) == ["amount_mismatch"]
    assert (state(request), cases()) == (("approved", ZERO, Decimal("60.00")), ["amount_mismatch"])


def test_failure_releases_the_order_once() -> None:
    request = requested_refund(paid_payment(), "60.00")
    failed = about(request, UpdateKind.REFUND_FAILED)
    assert apply(failed, failed) == ["refund_trouble", "duplicate"]
    assert (state(request), cases()) == (("failed", ZERO, ZERO), ["refund_trouble"])


def test_abnormal_stays_reserved_until_it_ends() -> None:
    request = requested_refund(paid_payment(), "60.00")
    hangs = about(request, UpdateKind.REFUND_ABNORMAL)
    assert apply(hangs, hangs) == ["refund_trouble", "duplicate"]
    assert (state(request), cases()) == (("abnormal", ZERO, Decimal("60.00")), ["refund_trouble"])
    assert apply(about(request), hangs) == ["refund_applied", "duplicate"]
    assert state(request) == ("succeeded", Decimal("60.00"), ZERO)


def test_failure_after_success_opens_a_case() -> None:
    request = requested_refund(paid_payment(), "60.00")
    assert apply(about(request), about(request, UpdateKind.REFUND_FAILED)) == [
        "refund_applied",
        "refund_trouble",
    ]
    assert (state(request), cases()) == (("succeeded", Decimal("60.00"), ZERO), ["refund_trouble"])


def test_success_after_failure_opens_a_case() -> None:
    request = requested_refund(paid_payment(), "60.00")
    assert apply(about(request, UpdateKind.REFUND_FAILED), about(request)) == [
        "refund_trouble",
        "refund_applied",
    ]
    assert (state(request), cases()) == (
        ("succeeded", Decimal("60.00"), ZERO),
        ["refund_trouble", "refund_event"],
    )


def test_refused_but_confirmed_opens_a_case() -> None:
    request = requested_refund(paid_payment(), "60.00", user=staff("agent"))
    refuse(REFUND, request.pk, user=staff("supervisor"), note="no")
    assert apply(about(request)) == ["refund_applied"]
    assert (state(request), cases()) == (("succeeded", Decimal("60.00"), ZERO), ["refund_event"])


def test_foreign_failure_moves_nothing() -> None:
    payment = paid_payment()
    assert apply(reported(payment, UpdateKind.REFUND_FAILED, refund_reference="CONSOLE-1")) == ["noted"]
    assert cases() == []


def test_closed_after_payment_is_a_reversal() -> None:
    payment = paid_payment()
    # The answer may have been on its way while the money arrived.
    assert (apply(reported(payment, UpdateKind.CLOSED)), cases()) == (["noted"], [])
    Payment.objects.filter(pk=payment.pk).update(paid_at=timezone.now() - timedelta(minutes=3))
    assert apply(reported(payment, UpdateKind.CLOSED)) == ["reversed"]
    payment.refresh_from_db()
    assert (payment.status, order_of(payment).status, cases()) == ("paid", "paid", ["reversed"])


def test_closed_while_refunding_is_none() -> None:
    request = requested_refund(paid_payment(), "199.00")
    assert apply(reported(request.payment, UpdateKind.CLOSED)) == ["noted"]
    assert apply(about(request), reported(request.payment, UpdateKind.CLOSED)) == ["refund_applied", "noted"]
    assert cases() == []


def test_payments_cost_no_refund_statements() -> None:
    """The number of statements of a round of payments does not know of refunds, and one of refunds does not grow."""
    account = build.build_alipay()

    def statements(*updates: PaymentUpdate) -> int:
        with CaptureQueriesContext(connection) as queries:
            apply_updates(updates)
        return len(queries)

    def paid() -> PaymentUpdate:
        payment = build.build_payment(account)
        return reported(
            payment, UpdateKind.PAYMENT, amount=payment.amount, provider_reference=secrets.token_hex(8)
        )

    with CaptureQueriesContext(connection) as queries:
        apply_updates([paid()])
    assert not [one for one in queries.captured_queries if "refundrequest" in one["sql"]]
    requests = [requested_refund(paid_payment(account), "1.00") for _number in range(6)]
    assert statements(about(requests[0])) == statements(*[about(one) for one in requests[1:]])


@pytest.mark.django_db(transaction=True)
def test_notification_confirms() -> None:
    request = requested_refund(paid_payment(), "60.00")
    body, headers = build.webhook_call(
        request.payment, event="refund.succeeded", amount="60.00", refund_reference=request.reference
    )
    assert build.post_webhook(body, headers).status_code == 204
    drain_notifications()
    assert PaymentNotification.objects.get().outcome == "refund_applied"
    assert (state(request), cases()) == (("succeeded", Decimal("60.00"), ZERO), [])


def test_refund_without_a_number_is_marked() -> None:
    payment = paid_payment()

    apply(reported(payment, refund_reference="CONSOLE-1", refund_amount=Decimal("10.00")))
    apply(reported(payment, refunded_total=Decimal("30.00")))

    found = Refund.objects.order_by("id").values_list("refund_reference", "is_unnumbered")
    assert list(found) == [("CONSOLE-1", False), ("to 30.00", True)]


def test_migration_marks_older_rows() -> None:
    payment = paid_payment()
    for number in ("to 30.00", "to somebody", "R1"):
        Refund.objects.create(
            payment=payment, refund_reference=number, amount=Decimal("1.00"), refunded_at=timezone.now()
        )

    import_module("payments.migrations.0014_unnumbered_refunds").mark(apps, None)

    assert list(Refund.objects.filter(is_unnumbered=True).values_list("refund_reference", flat=True)) == [
        "to 30.00"
    ]


def test_sum_older_than_other_numbered_refunds() -> None:
    """A second refund of the console is reported with its sum of then, which does not hold ours but the first one."""
    payment = paid_payment(total="100.00")
    request = requested_refund(payment, "11.00")
    first = reported(payment, refund_reference="C1", refund_amount=Decimal("50.00"))
    second = reported(
        payment, refund_reference="C2", refund_amount=Decimal("37.00"), refunded_total=Decimal("87.00")
    )

    apply(first, about(request), second, second)

    assert rows() == [("C1", "50.00"), (request.reference, "11.00"), ("C2", "37.00")]
    assert order_of(payment).refunded_amount == Decimal("98.00")
