"""Genuine calls as they arrive over HTTP, and what stands in the database after them."""

from __future__ import annotations

from orders.models import Order, OrderEvent
from payments.models import Payment, PaymentException, PaymentNotification
from payments.tests import builders as build


def receive(payment: Payment, **changes: str | None) -> PaymentNotification:
    """A genuine notification, as received over HTTP."""
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
