"""How much of a payment can be asked back: what was paid, less what went back, less what is asked back."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Sum

from ordersite.lib.money import ZERO
from payments.models import Payment, PaymentStatus, RefundRequest
from payments.models.refund_request import LIVE


def left_of(payment: Payment) -> Decimal:
    """How much (yuan) of a payment can still be asked back; exact while the payment is locked."""
    if payment.status != PaymentStatus.PAID:
        return ZERO
    return payment.amount - payment.refunded_amount - live_amount(payment.pk)


def live_amount(payment_id: int) -> Decimal:
    """The sum (yuan) of a payment's requests that have not ended."""
    rows = RefundRequest.objects.filter(payment_id=payment_id, status__in=LIVE)
    total: Decimal | None = rows.aggregate(total=Sum("amount"))["total"]
    return total or ZERO
