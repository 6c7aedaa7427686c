"""Genuine calls that come late, again or against what we know, as they arrive over HTTP, and what stays as it was."""

from __future__ import annotations

from typing import Any

import pytest

from orders import machine
from orders.changes import Hold
from orders.history.lines import Actor
from orders.models import Order, OrderEvent
from orders.tests.builders import apply_changes, move
from payments.models import Payment, PaymentException, PaymentNotification, Refund
from payments.notifications.apply import drain_notifications
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def notify(payment: Payment, *, account: str = "demo-alipay", **changes: str | None) -> str:
    """A genuine notification of Alipay's, taken and worked on; what became of it."""
    body = build.alipay_body(payment, trade_no="T0000001", **changes)
    assert build.post_alipay(body, slug=account).content == b"success"
    drain_notifications()
    return PaymentNotification.objects.latest("pk").outcome


def state(payment: Payment) -> tuple[str, str]:
    now = Payment.objects.select_related("order").get(pk=payment.pk)
    return str(now.status), str(now.order.status)


def cases() -> list[str]:
    return list(PaymentException.objects.order_by("pk").values_list("kind", flat=True))


def lines(payment: Payment) -> int:
    return OrderEvent.objects.filter(order_id=payment.order_id).count()


FULL_REFUND = {
    "trade_status": "TRADE_CLOSED", "refund_fee": "199.00", "gmt_refund": "2026-11-22 15:00:00.000",
    "out_biz_no": "R1",
}  # fmt: skip


def test_payment_after_its_refund_pays_nothing() -> None:
    payment = build.build_payment(build.build_alipay())
    first = build.alipay_body(payment, trade_no="T0000001")
    build.post_alipay(first)
    drain_notifications()
    assert notify(payment, **FULL_REFUND) == "refund_applied"
    assert state(payment) == ("refunded", "refunded")
    before = (lines(payment), cases(), Refund.objects.count())
    assert build.post_alipay(first).content == b"success"
    drain_notifications()
    assert [notify(payment), notify(payment, trade_status="TRADE_FINISHED")] == ["duplicate", "duplicate"]
    assert state(payment) == ("refunded", "refunded")
    assert (lines(payment), cases(), Refund.objects.count()) == before


def test_finished_trade_changes_nothing() -> None:
    payment = build.build_payment(build.build_alipay())
    assert notify(payment) == "applied"
    move(payment.order, "ship", machine.WAREHOUSE)
    before = lines(payment)
    assert notify(payment, trade_status="TRADE_FINISHED") == "duplicate"
    assert (state(payment), lines(payment), cases()) == (("paid", "shipped"), before, [])


def test_held_order_is_paid_and_stays_held() -> None:
    payment = build.build_payment(build.build_alipay())
    apply_changes(Hold(payment.order_id, Actor("staff", "wang"), "疑似刷单"))
    assert notify(payment) == "applied"
    order = Order.objects.get()
    assert (order.status, order.held, cases()) == ("paid", True, [])
    assert move(order, "ship", machine.WAREHOUSE).code == "held"


def take_back(payment: Payment, provider: str) -> Any:
    if provider == "alipay":
        return build.post_alipay(
            build.alipay_body(payment, trade_no="T0000001", trade_status="TRADE_CLOSED", gmt_payment=None)
        )
    return build.post_webhook(*build.webhook_call(payment, event="payment.closed"))


@pytest.mark.parametrize("provider", ["alipay", "webhook"])
def test_close_after_payment_only_opens_a_case(provider: str) -> None:
    account = build.build_alipay() if provider == "alipay" else build.build_webhook()
    payment = build.build_payment(account)
    if provider == "alipay":
        notify(payment)
    else:
        build.post_webhook(*build.webhook_call(payment))
        drain_notifications()
    assert state(payment) == ("paid", "paid")
    before = lines(payment)
    for _again in range(2):
        assert take_back(payment, provider).status_code in (200, 204)
        drain_notifications()
    assert (state(payment), lines(payment), cases()) == (("paid", "paid"), before, ["reversed"])


def test_trade_of_two_orders_pays_the_first() -> None:
    account = build.build_alipay()
    first, second = build.build_payment(account), build.build_payment(account)
    assert [notify(first), notify(second)] == ["applied", "reference_conflict"]
    assert (state(first), state(second)) == (("paid", "paid"), ("open", "pending"))
    assert (lines(second), cases()) == (1, ["reference_conflict"])
