"""Asking for money back: never more than was paid, who decides, and what it does to the order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orders.models import Order
from payments.refunds import request as desk
from payments.tests.refund_builders import paid_payment, staff


@pytest.mark.django_db
def test_a_request_reserves_its_amount_on_the_order() -> None:
    payment = paid_payment(total="199.00")
    request = desk.request_refund(
        payment.pk, Decimal("60.00"), actor_user=staff("agent"), reason="broken cup"
    )
    order = Order.objects.get(pk=payment.order_id)
    assert (order.refunds_pending, order.is_stopped) == (Decimal("60.00"), True)
    assert (request.status, request.next_try_at) == ("proposed", None)
