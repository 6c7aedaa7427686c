"""A batch of updates goes to the orders' door once: each order is written once, with all its lines."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders import machine
from orders.changes import RequestClose
from orders.history.lines import SYSTEM, Evidence
from orders.history.verify import verify_history
from orders.models import Order, OrderEvent, TransitionRule
from orders.tests.builders import apply_changes
from ordersite.queue.models import OutboxEntry
from payments.cases.open import Case, fact_key, open_cases
from payments.lifecycle.apply import apply_updates
from payments.lifecycle.updates import PaymentUpdate
from payments.models import Payment, PaymentAccount, PaymentException
from payments.providers.types import UpdateKind
from payments.refunds.tests.builders import paid_payment, refundable, requested_refund, surplus_payment
from payments.tests.builders import build_payment

pytestmark = pytest.mark.django_db
_TABLE = re.compile(r'^(UPDATE|INSERT INTO) "(orders_order|orders_orderevent|rails_outboxentry)"')


def update_of(payment: Payment, kind: UpdateKind, **fields: Any) -> PaymentUpdate:
    """What the provider reports about this payment now."""
    return PaymentUpdate(
        account_id=payment.account_id,
        kind=kind,
        reference=payment.reference,
        evidence=Evidence("query", payment.reference, secrets.token_hex(32)),
        seen_at=timezone.now(),
        **fields,
    )


def paid(account: PaymentAccount) -> PaymentUpdate:
    payment = build_payment(account)
    return update_of(
        payment, UpdateKind.PAYMENT, amount=payment.amount, provider_reference=secrets.token_hex(8)
    )


def refunded(account: PaymentAccount, amount: str) -> PaymentUpdate:
    """The provider confirms a refund that was requested, of a payment of 199.00."""
    request = requested_refund(paid_payment(account), amount)
    return update_of(
        request.payment,
        UpdateKind.REFUND,
        refund_reference=request.reference,
        refund_amount=request.amount,
    )


def closed(account: PaymentAccount) -> PaymentUpdate:
    """The provider closed the last attempt of an order that waits to be closed."""
    payment = build_payment(account)
    apply_changes(RequestClose(payment.order_id, machine.TIMEOUT, SYSTEM))
    return update_of(payment, UpdateKind.CLOSED)


def returned(account: PaymentAccount) -> PaymentUpdate:
    """The whole of a surplus payment went back, and a case waits for that."""
    payment = surplus_payment(account)
    kind = PaymentException.Kind.ORDER_CLOSED
    key = fact_key(payment.reference)
    open_cases([Case(kind=kind, dedup_key=key, payment_id=payment.pk, order_id=payment.order_id)])
    request = requested_refund(payment, "199.00")
    return update_of(
        payment,
        UpdateKind.REFUND,
        refund_reference=request.reference,
        refund_amount=request.amount,
    )


def mixed(account: PaymentAccount) -> list[PaymentUpdate]:
    whole, part = refunded(account, "199.00"), refunded(account, "60.00")
    return [paid(account), part, whole, closed(account), returned(account)]


def applied(updates: list[PaymentUpdate]) -> tuple[list[str], list[str]]:
    """The outcomes, and the statements that it took."""
    with CaptureQueriesContext(connection) as captured:
        outcomes = [str(result.outcome.value) for result in apply_updates(updates)]
    return outcomes, [query["sql"] for query in captured.captured_queries]


def writes(statements: list[str]) -> Counter[str]:
    """How often each of the door's tables was written."""
    found = (_TABLE.match(statement) for statement in statements)
    return Counter(match[2] for match in found if match)


def state(update: PaymentUpdate) -> tuple[str, str, Decimal, Decimal]:
    payment = Payment.objects.select_related("order").get(reference=update.reference)
    order = payment.order
    return payment.status, order.status, order.refunded_amount, order.refunds_pending


def lines(update: PaymentUpdate) -> list[str]:
    """The history of the update's order, from its first line on: what happened and to what state."""
    order = Payment.objects.get(reference=update.reference).order
    found = OrderEvent.objects.filter(order=order).order_by("seq").values_list("kind", "to_status")
    return [f"{kind} {status}".strip() for kind, status in found]


def test_mixed_updates_write_each_order_once() -> None:
    updates = mixed(refundable())

    outcomes, statements = applied(updates)

    assert outcomes == ["applied", "refund_applied", "refund_applied", "closed_noted", "refund_applied"]
    assert [state(update) for update in updates] == [
        ("paid", "paid", Decimal("0.00"), Decimal("0.00")),
        ("paid", "paid", Decimal("60.00"), Decimal("0.00")),
        ("refunded", "refunded", Decimal("199.00"), Decimal("0.00")),
        ("closed", "closed", Decimal("0.00"), Decimal("0.00")),
        ("refunded", "closed", Decimal("0.00"), Decimal("0.00")),
    ]
    # One UPDATE for each old state: pending, paid, closed.
    assert writes(statements) == {"orders_order": 3, "orders_orderevent": 1, "rails_outboxentry": 1}
    assert len(statements) == 26
    assert verify_history().lines == OrderEvent.objects.count()


def test_lines_of_an_order_are_in_order() -> None:
    pay, part, whole, close, surplus = updates = mixed(refundable())

    applied(updates)

    assert lines(pay)[1:] == ["transition paid"]
    assert lines(part)[-2:] == ["partial_refund", "refund_ended"]
    assert lines(whole)[-2:] == ["transition refunded", "refund_ended"]
    assert lines(close)[-2:] == ["close_requested", "transition closed"]
    assert lines(surplus)[-2:] == ["refund_ended", "note"]
    assert PaymentException.objects.get(kind="order_closed").resolution == "refunded in full"


@pytest.mark.parametrize("build", [paid, closed, returned, lambda account: refunded(account, "60.00")])
def test_more_updates_cost_no_more_statements(build: Callable[[PaymentAccount], PaymentUpdate]) -> None:
    account = refundable()

    _outcomes, few = applied([build(account), build(account)])
    _outcomes, many = applied([build(account) for _number in range(9)])

    assert len(few) == len(many)


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (paid, 12),
        (lambda account: refunded(account, "60.00"), 15),
        (lambda account: refunded(account, "199.00"), 16),
        (closed, 13),
        (returned, 18),
    ],
)
def test_statements_of_one_update(build: Callable[[PaymentAccount], PaymentUpdate], count: int) -> None:
    _outcomes, statements = applied([build(refundable())])

    assert (len(statements), writes(statements)["orders_order"]) == (count, 1)


def test_refused_order_leaves_no_line() -> None:
    update = refunded(refundable(), "199.00")
    TransitionRule.objects.filter(action="refund").update(is_enabled=False)
    before = lines(update)

    outcomes, _statements = applied([update])

    # The money went back all the same: payment and request say so, the order stays and a person decides.
    assert outcomes == ["refund_event"]
    assert state(update) == ("refunded", "paid", Decimal("0.00"), Decimal("0.00"))
    assert lines(update) == [*before, "refund_ended"]
    assert OutboxEntry.objects.filter(name="order.refunded").count() == 0


def test_other_open_attempt_keeps_it_open() -> None:
    account = refundable()
    update = closed(account)
    order = Payment.objects.get(reference=update.reference).order
    build_payment(refundable("second"), order=order)

    outcomes, _statements = applied([update])

    assert (outcomes, state(update)[:2]) == (["closed_noted"], ("closed", "pending"))
    assert Order.objects.get(pk=order.pk).closing_at is not None
