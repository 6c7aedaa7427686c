"""The call of the order API that starts a payment."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders.clients import client_of
from orders.errors import unknown_order
from orders.models import Merchant, Order
from ordersite.lib.api.json_parser import StrictJSONParser, body_of
from ordersite.lib.money import format_amount
from payments.accounts.errors import account_disabled, unknown_account
from payments.attempts.serializers import START, PaymentRequest
from payments.attempts.start import StartedAttempt, start_attempt
from payments.models import PaymentAccount


class OrderPayments(APIView):
    """Start collecting the money of an order."""

    required_scopes = {"POST": "orders:write"}
    parser_classes = (StrictJSONParser,)

    @extend_schema(**START)
    def post(self, request: Request, number: str) -> Response:
        body_of(request)
        wish = PaymentRequest(data=request.data)
        wish.is_valid(raise_exception=True)
        merchant = client_of(request).merchant
        order = find_order(merchant, number)
        account = find_account(merchant, **wish.validated_data)
        started = start_attempt(order, account)
        return Response(describe(started), status=201 if started.is_new else 200)


def find_order(merchant: Merchant, number: str) -> Order:
    """The merchant's order. Raises `DomainError` unknown_order, also for another merchant's."""
    order = Order.objects.filter(merchant=merchant, number=number).first()
    if order is None:
        raise unknown_order(number)
    return order


def find_account(merchant: Merchant, *, provider: str, account: str) -> PaymentAccount:
    """The merchant's account. Raises `DomainError`: unknown_account, also for another merchant's or another provider's;
    account_disabled.
    """
    found = PaymentAccount.objects.filter(merchant=merchant, provider=provider, slug=account).first()
    if found is None:
        raise unknown_account(account)
    if not found.is_active:
        raise account_disabled(account)
    return found


def describe(started: StartedAttempt) -> dict[str, Any]:
    """The body of the response, with only those ways to pay that the attempt has."""
    payment = started.payment
    answer = {
        "reference": payment.reference,
        "amount": format_amount(payment.amount),
        "provider": payment.account.provider,
        "status": str(payment.status),
    }
    ways = {"pay_url": payment.pay_url, "code_url": payment.code_url, "app_params": dict(started.app_params)}
    return answer | {name: value for name, value in ways.items() if value}
