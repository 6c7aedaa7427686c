"""Orders in every state with every open case, waiting request, provider and money, built as plain rows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import product

from django.contrib.auth.models import User
from django.utils import timezone

from orders.models import Buyer, Order, OrderStatus
from orders.tests.builders import build_buyer
from payments.models import (
    Payment,
    PaymentAccount,
    PaymentException,
    PaymentQuery,
    RefundRequest,
    RevivalRequest,
    SettlementRequest,
)
from payments.tests.builders import new_reference

TOTAL, PART = Decimal("127.80"), Decimal("27.80")
NO_CASE = ""
REQUESTS = ("", "settlement", "revival", "proposed", "approved", "ordered", "abnormal")
MONEY = ("none", "received", "partly_returned", "returned")
PAID_STATES = (OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.COMPLETED)


@dataclass(frozen=True, slots=True)
class Combination:
    """What is true of one order. `money` says what became of one payment of the whole sum."""

    status: str
    case: str
    request: str
    is_reachable: bool
    money: str

    @property
    def kept(self) -> Decimal:
        return {"received": TOTAL, "partly_returned": TOTAL - PART}.get(self.money, Decimal(0))

    @property
    def refunded(self) -> Decimal:
        return {"partly_returned": PART, "returned": TOTAL}.get(self.money, Decimal(0))


def combinations() -> Iterator[Combination]:
    """All of them."""
    cases = (NO_CASE, *PaymentException.Kind.values)
    for status, case, request, is_reachable, money in product(
        OrderStatus.values, cases, REQUESTS, (True, False), MONEY
    ):
        yield Combination(status, case, request, is_reachable, money)


class Builder:
    """Builds the rows of many combinations with a handful of statements."""

    def __init__(self, account: PaymentAccount) -> None:
        self.account = account
        self.buyer = build_buyer(account.merchant)
        self.person = User.objects.create_user("agent")

    def build(self, wanted: list[Combination]) -> list[Order]:
        orders = Order.objects.bulk_create([_order(one, self.buyer) for one in wanted])
        pairs = list(zip(wanted, orders, strict=True))
        settled = [self._settled(one, order) for one, order in pairs if one.money != "none"]
        by_order = {payment.order_id: payment for payment in Payment.objects.bulk_create(settled)}
        opened = [self._attempt(order, "open") for one, order in pairs if not one.is_reachable]
        self._fail(Payment.objects.bulk_create(opened))
        PaymentException.objects.bulk_create(
            [self._case(one, order, by_order.get(order.pk)) for one, order in pairs if one.case]
        )
        self._request(pairs, by_order)
        return orders

    def _settled(self, one: Combination, order: Order) -> Payment:
        return Payment(
            order=order, account=self.account, reference=new_reference(), amount=TOTAL, paid_at=timezone.now(),
            refunded_amount=one.refunded, status="refunded" if one.money == "returned" else "paid",
            is_surplus=one.status == OrderStatus.CLOSED, expires_at=timezone.now(),
        )  # fmt: skip

    def _attempt(self, order: Order, status: str) -> Payment:
        return Payment(
            order=order, account=self.account, reference=new_reference(), amount=TOTAL, status=status,
            expires_at=timezone.now(),
        )  # fmt: skip

    def _fail(self, payments: list[Payment]) -> None:
        PaymentQuery.objects.bulk_create(
            [
                PaymentQuery(payment=one, error_code="provider_timeout", error="HTTP 500", times=3)
                for one in payments
            ]
        )

    def _case(self, one: Combination, order: Order, payment: Payment | None) -> PaymentException:
        return PaymentException(
            kind=one.case,
            dedup_key=order.number,
            account=self.account,
            order=order,
            payment=payment,
            amount=TOTAL,
        )

    def _request(self, pairs: list[tuple[Combination, Order]], by_order: dict[int, Payment]) -> None:
        wanted = [order for one, order in pairs if one.request not in ("", "settlement")]
        missing = [self._attempt(order, "closed") for order in wanted if order.pk not in by_order]
        payments = by_order | {one.order_id: one for one in Payment.objects.bulk_create(missing)}
        now = timezone.now()
        given = {"proposer": self.person, "reason": "x"}
        SettlementRequest.objects.bulk_create(
            [
                SettlementRequest(
                    order=order, account=self.account, amount=TOTAL, provider_reference=order.number, **given
                )
                for one, order in pairs
                if one.request == "settlement"
            ]
        )
        RevivalRequest.objects.bulk_create(
            [
                RevivalRequest(order=order, payment=payments[order.pk], amount=TOTAL, **given)
                for one, order in pairs
                if one.request == "revival"
            ]
        )
        RefundRequest.objects.bulk_create(
            [
                RefundRequest(
                    order=order, payment=payments[order.pk], account=self.account, reference=new_reference(),
                    amount=PART, status=one.request, decided_at=None if one.request == "proposed" else now, **given,
                )
                for one, order in pairs
                if one.request in ("proposed", "approved", "ordered", "abnormal")
            ]
        )  # fmt: skip


def _order(one: Combination, buyer: Buyer) -> Order:
    now, status = timezone.now(), one.status
    is_paid = status in (*PAID_STATES, OrderStatus.REFUNDED)
    refunded = (
        TOTAL if status == OrderStatus.REFUNDED else one.refunded if status in PAID_STATES else Decimal(0)
    )
    return Order(
        number=secrets.token_hex(11), merchant=buyer.merchant, buyer=buyer, status=status, goods_amount=TOTAL,
        total_amount=TOTAL, refunded_amount=refunded, buyer_name="王小明", buyer_phone="13800138000",
        province="浙江省", city="杭州市", district="西湖区", street="文三路 1 号", close_due_at=now + timedelta(minutes=30),
        product_set=secrets.token_hex(32), minute=1, tracking_token=secrets.token_urlsafe(18),
        paid_at=now if is_paid else None, shipped_at=now, created_at=now,
    )  # fmt: skip
