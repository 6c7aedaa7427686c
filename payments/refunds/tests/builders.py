"""Builders for tests of refunds: paid attempts, and people with roles and limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from orders.models import MoneyLimit, Order
from orders.tests.builders import build_order, build_order_in
from payments.models import Payment, PaymentAccount, RefundRequest
from payments.refunds import request as desk
from payments.tests.builders import build_payment, build_webhook

REFUND_URL = "https://provider.example/refund"


def refundable(slug: str = "demo-webhook", *, refund_url: str = REFUND_URL) -> PaymentAccount:
    return build_webhook(slug, refund_url=refund_url)


def paid_payment(
    account: PaymentAccount | None = None, *, total: str = "199.00", status: str = "paid", **columns: Any
) -> Payment:
    """A settled attempt of an order that is `status`."""
    account = account or refundable()
    order = build_order_in(status, merchant=account.merchant, total=total)
    return build_payment(account, order=order, **{"status": "paid", "paid_at": timezone.now(), **columns})


def surplus_payment(account: PaymentAccount | None = None) -> Payment:
    """Money that arrived after the order was closed."""
    return paid_payment(account, status="closed", is_surplus=True)


def staff(role: str, name: str = "", **limits: str) -> User:
    """A person of this role; `limits` are the role's, by action."""
    group = Group.objects.get(name=role)
    for action, amount in limits.items():
        MoneyLimit.objects.update_or_create(role=group, action=action, defaults={"amount": Decimal(amount)})
    user, _made = User.objects.get_or_create(username=name or role, defaults={"is_staff": True})
    user.groups.add(group)
    return user


def requested_refund(payment: Payment, amount: str = "60.00", *, user: User | None = None) -> RefundRequest:
    """A request as the desk takes it; without a user the merchant's rule requests it, and it is approved."""
    return desk.request_refund(payment.pk, Decimal(amount), actor_user=user, reason="broken")


def order_of(payment: Payment) -> Order:
    return Order.objects.get(pk=payment.order_id)


def fresh_request(request: RefundRequest) -> RefundRequest:
    return RefundRequest.objects.select_related("payment", "order").get(pk=request.pk)


__all__ = [
    "build_order", "fresh_request", "order_of", "paid_payment", "refundable", "requested_refund", "staff",
    "surplus_payment",
]  # fmt: skip
