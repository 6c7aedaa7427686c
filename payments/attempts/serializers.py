"""Request and response of the call that starts a payment, and its description in the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from orders.serializers import BODY_REFUSALS, ORDER_NUMBER, refusals, retry_after
from ordersite.lib.api.fields import Choice, StrictSerializer, Text
from payments.models import PaymentStatus
from payments.providers.registry import PROVIDERS


class PaymentRequest(StrictSerializer):
    provider = Choice(choices=list(PROVIDERS))
    account = Text(max_length=40, help_text="The slug of one of the shop's payment accounts.")


class PaymentAttempt(serializers.Serializer[Any]):
    """`pay_url` is an address to open, `code_url` a text for a QR code; neither where the account has no such call.

    `app_params` are for a page inside WeChat (an account with `trade_type` jsapi): handed to WeixinJSBridge's
    getBrandWCPayRequest as they are. They are signed anew by each call.
    """

    reference = serializers.CharField()
    amount = serializers.CharField()
    provider = serializers.ChoiceField(choices=list(PROVIDERS))
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    pay_url = serializers.CharField(required=False)
    code_url = serializers.CharField(required=False)
    app_params = serializers.DictField(child=serializers.CharField(), required=False)


START: dict[str, Any] = {
    "operation_id": "start_payment",
    "summary": "Collect the money of an order",
    "parameters": [ORDER_NUMBER, retry_after(429, 503)],
    "request": PaymentRequest,
    "responses": {
        200: OpenApiResponse(PaymentAttempt, "The attempt that is open already for this account and amount."),
        201: OpenApiResponse(
            PaymentAttempt, "A new attempt; it expires at its provider when the order closes."
        ),
        **refusals(
            **BODY_REFUSALS,
            e404="`unknown_order`, or `unknown_account`.",
            e409="`order_not_payable` (also while it is being closed), `account_disabled`, or `openid_missing`: the "
            "account collects inside WeChat, and the buyer was given without `openid`.",
            e502="`provider_unavailable`: the attempt `details.reference` is on record and is queried later.",
        ),
    },
}
